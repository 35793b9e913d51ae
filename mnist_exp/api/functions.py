"""The functions of the Python API. Each function does the same as a command."""

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

from mnist_exp.api.command import OUTPUTS_DIR, Settings, composed, executed, prepared
from mnist_exp.api.display import DisplayMode
from mnist_exp.api.handles import Endpoint, Model, Run, handle_of
from mnist_exp.api.tables import Comparison, Runs
from mnist_exp.config import ExperimentConfig, RunsConfig, Stage
from mnist_exp.stages.runs import RunsStage
from mnist_exp.templates import hydra_string

#: The path of a file or a folder.
StrPath = str | os.PathLike[str]


def run(
    stage: str,
    *overrides: str,
    config_dir: StrPath | None = None,
    outputs_dir: StrPath = OUTPUTS_DIR,
    wait: bool = True,
    display: DisplayMode = "auto",
    **values: object,
) -> Run:
    """Run a stage, as `mnist-exp stage=STAGE` does, and return a handle.

    The folders and records are the same as on the command line. An interrupt, e.g. the stop button
    of a notebook, cancels a job on this machine. A job on Azure continues.

    Example:
        >>> mnist_exp.run("doctor", "profile=azure")
        >>> mnist_exp.run("train", "model=wide", epochs=5, seed=7)

    Args:
        stage: The stage, e.g. `train`. `mnist-exp --help` lists the stages.
        overrides: Overrides, as on the command line.
        config_dir: The folder with your own config groups, as `--config-dir`.
        outputs_dir: The folder for all files that the run saves.
        wait: False submits the job, and does not wait until the job ends.
        display: Where progress and results are printed: `notebook` updates one output of the cell,
            `text` prints as the command line does, and `none` prints nothing. `auto` chooses
            `notebook` or `text`.
        values: Key -> value. A key may be the last part of a dotted key if no other key has this
            last part: `epochs` means `model.epochs`.

    Raises:
        ConfigError: The config has faults. The attribute `lines` of the error has all faults.
        JobError: The job failed. The attribute `log_tail` of the error has the end of the log.
        MnistExpError: Another step failed. Each error of this package has this base class.
    """
    settings = Settings(_path(config_dir), display)
    options = _options(values, outputs_dir, wait)
    return handle_of(*executed(settings, stage, overrides, options))


def train(
    *overrides: str,
    config_dir: StrPath | None = None,
    outputs_dir: StrPath = OUTPUTS_DIR,
    wait: bool = True,
    display: DisplayMode = "auto",
    **values: object,
) -> Run:
    """Run the training job once. The arguments are those of `run`.

    Example:
        >>> r = mnist_exp.train("model=wide", epochs=5)
        >>> r.metrics["validation_acc"]
    """
    settings = Settings(_path(config_dir), display)
    return Run(*executed(settings, Stage.train, overrides, _options(values, outputs_dir, wait)))


def sweep(
    *overrides: str,
    config_dir: StrPath | None = None,
    outputs_dir: StrPath = OUTPUTS_DIR,
    wait: bool = True,
    display: DisplayMode = "auto",
    **values: object,
) -> Run:
    """Search for hyperparameters. The arguments are those of `run`.

    Example:
        >>> s = mnist_exp.sweep("sweep=bayesian")
        >>> s.best.parameters
    """
    settings = Settings(_path(config_dir), display)
    return Run(*executed(settings, Stage.sweep, overrides, _options(values, outputs_dir, wait)))


def run_file(
    path: StrPath,
    *overrides: str,
    config_dir: StrPath | None = None,
    outputs_dir: StrPath = OUTPUTS_DIR,
    wait: bool = True,
    display: DisplayMode = "auto",
    **values: object,
) -> Run:
    """Run Azure ML's YAML file of a command job or a sweep. The other arguments are those of `run`.

    Example:
        >>> r = mnist_exp.run_file("job.yml", "set.inputs.epochs=1", env="local")
    """
    settings, file = Settings(_path(config_dir), display), hydra_string(os.fspath(path))
    options = _options(values, outputs_dir, wait)
    return Run(*executed(settings, Stage.run, (f"file={file}", *overrides), options))


def register(
    *overrides: str,
    config_dir: StrPath | None = None,
    outputs_dir: StrPath = OUTPUTS_DIR,
    display: DisplayMode = "auto",
    **values: object,
) -> Model:
    """Register the model of the latest sweep, or of the job that `run` names.

    Example:
        >>> model = mnist_exp.register(run="train_20261130_195039_a1b2c3")
    """
    settings = Settings(_path(config_dir), display)
    return Model(*executed(settings, Stage.register, overrides, _options(values, outputs_dir)))


def deploy(
    *overrides: str,
    config_dir: StrPath | None = None,
    outputs_dir: StrPath = OUTPUTS_DIR,
    display: DisplayMode = "auto",
    **values: object,
) -> Endpoint:
    """Deploy the model that was registered last, or the model that `run` names.

    Example:
        >>> with mnist_exp.deploy() as endpoint:  # the endpoint is deleted at the end of the block
        ...     digits = endpoint.invoke(images)
    """
    settings = Settings(_path(config_dir), display)
    return Endpoint(*executed(settings, Stage.deploy, overrides, _options(values, outputs_dir)))


def compose(
    *overrides: str,
    config_dir: StrPath | None = None,
    outputs_dir: StrPath = OUTPUTS_DIR,
    **values: object,
) -> ExperimentConfig:
    """Compose and check the config of a stage. Run nothing, and write no file.

    Example:
        >>> config = mnist_exp.compose("stage=train", "model=wide", epochs=5)
        >>> config.model.epochs
        5

    Raises:
        ConfigError: The config has faults. The attribute `lines` of the error has all faults.
    """
    options = _options(values, outputs_dir)
    return composed(Settings(_path(config_dir)), overrides, options).experiment


def runs(
    *overrides: str,
    config_dir: StrPath | None = None,
    outputs_dir: StrPath = OUTPUTS_DIR,
    metric: str | None = None,
    **values: object,
) -> Runs:
    """Return the past runs of an outputs folder: by default all training runs and sweeps.

    The keywords are the keys of `runs` in the config: `stage`, `status`, `experiment_name`,
    `min_value`, `max_value`, `older_than_days`, `newer_than_days`, `order` and `limit`.

    Example:
        >>> mnist_exp.runs(stage="train", metric="loss", max_value=0.3).to_frame()

    Args:
        overrides: Overrides, as on the command line.
        config_dir: The folder with your own config groups, for later calls of the handles.
        outputs_dir: The outputs folder.
        metric: The metric of the table and of the bounds; None means each run's primary metric.
        values: Key -> value. Other keys than those above are keys of the whole config.
    """
    if metric is not None:
        values["metric"] = metric
    own = {field.name for field in fields(RunsConfig)}
    chosen = {f"runs.{key}" if key in own else key: value for key, value in values.items()}
    settings = Settings(_path(config_dir), "none")
    options = _options(chosen, outputs_dir)
    # A notebook has room for all runs.
    with prepared(settings, Stage.runs, ("runs.limit=null", *overrides), options) as made:
        command, origin = made
        context = command.runner.context
        found, _ = RunsStage(context).selected()
    handles = [handle_of(run, replace(origin, overrides=run.record.overrides)) for run in found]
    return Runs(handles, context.config.runs.metric)


def compare(first: Run, *others: Run) -> Comparison:
    """Compare runs: their parameters, their metrics and their learning curves.

    Example:
        >>> mnist_exp.compare(r, s).to_frame()

    Raises:
        ConfigError: There are fewer than two runs, or the runs are not in one outputs folder.
    """
    compared = [first, *others]
    paths = first.compared_with([run.name for run in others])
    return Comparison(compared, Path(paths["comparison"]) if "comparison" in paths else None)


def _options(
    values: Mapping[str, object], outputs_dir: StrPath, wait: bool = True
) -> dict[str, object]:
    """Return the values of a call with the arguments that are keys of the config."""
    options = dict(values)
    if os.fspath(outputs_dir) != OUTPUTS_DIR:
        options["outputs_dir"] = os.fspath(outputs_dir)
    if not wait:
        options["wait"] = False
    return options


def _path(path: StrPath | None) -> Path | None:
    # The user may change the current folder before a later call of the handle.
    return None if path is None else Path(path).absolute()
