"""The conversion of a composed config into an experiment, with all faults in one error."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra.types import RunMode
from omegaconf import DictConfig

from mnist_exp import checks
from mnist_exp.azure_files import JobFile
from mnist_exp.cli.compose import MissingKeysError, to_experiment, with_stand_ins
from mnist_exp.cli.config_paths import task_overrides
from mnist_exp.cli.kept_config import with_kept_config
from mnist_exp.config import Stage, WorkspaceType
from mnist_exp.errors import ConfigError, JobError, MnistExpError, RefusedError
from mnist_exp.experiment import Experiment


def checked_experiment(
    composed: DictConfig, hydra_config: DictConfig, job_file: JobFile | None = None
) -> Experiment:
    """Return the experiment after all checks of its config.

    Args:
        composed: The task's config, without the `hydra` node.
        hydra_config: The `hydra` node.
        job_file: The job file whose content is in `composed`, or None.

    Raises:
        MnistExpError: The config has faults. The error contains all faults.
    """
    with places_in(job_file):
        try:
            experiment = _experiment(composed, hydra_config)
        except MissingKeysError as missing:
            others = _other_faults(composed, hydra_config, missing.keys)
            raise ConfigError([*missing.lines, *others]) from None
        experiment.job_file = job_file
        faults = _faults(experiment)
        if hydra_config.mode == RunMode.MULTIRUN:
            faults += _multirun_faults(experiment)
        if faults:
            raise ConfigError(faults)
    return experiment


@contextmanager
def places_in(job_file: JobFile | None) -> Iterator[None]:
    """In a `with` block, let each fault of a value from a job file name the place in the file."""
    try:
        yield
    except (ConfigError, RefusedError, JobError) as error:
        lines = list(map(job_file.placed, error.lines)) if job_file else list(error.lines)
        if lines == list(error.lines):
            raise
        raise ConfigError(lines) from error


def _experiment(composed: DictConfig, hydra_config: DictConfig) -> Experiment:
    experiment = to_experiment(composed, hydra_config)
    return with_kept_config(experiment, task_overrides(hydra_config))


def _faults(experiment: Experiment) -> list[str]:
    # stage=doctor itself reports the config's faults, together with its other findings.
    return [] if experiment.stage is Stage.doctor else checks.faults(experiment)


def _multirun_faults(experiment: Experiment) -> list[str]:
    if experiment.wait or experiment.workspace.type is not WorkspaceType.local:
        return []
    return [
        "wait: must be true for a multirun on this machine, because all variants would run at the "
        "same time; remove wait=false, use stage=sweep, or start each variant with its own command"
    ]


def _other_faults(
    composed: DictConfig, hydra_config: DictConfig, missing: Sequence[str]
) -> list[str]:
    """Return the other faults of a config that has missing keys."""
    filled = with_stand_ins(composed, missing)
    if filled is None:
        return []
    try:
        faults = checks.faults(_experiment(filled, hydra_config))
    except MnistExpError as error:
        return list(error.lines)
    return [line for line in faults if not line.startswith(tuple(f"{key}:" for key in missing))]
