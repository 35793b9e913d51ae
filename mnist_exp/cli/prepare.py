"""The preparation of a command: compose its config, check the config, open the workspace.

Hydra calls our callback before Hydra creates the run folder. The callback prepares the command, so
that a faulty command creates no files. Hydra then calls the task function. The task function runs
the command that the callback has prepared. A stage without a record, such as `stage=status`, needs
no run folder. The callback itself runs such a stage, and then exits.
"""

import os
import shutil
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from mnist_exp import checks
from mnist_exp.azure_files import JobFile
from mnist_exp.cli.background import run_in_background
from mnist_exp.cli.checked_config import checked_experiment, places_in
from mnist_exp.cli.compose import config_folder, split
from mnist_exp.cli.display import RichDisplay, show_dry_run
from mnist_exp.cli.error_output import READER_HAS_EXITED, report_errors
from mnist_exp.cli.hide_values import (
    hide_override_dirname,
    hide_values,
    hide_values_of_file,
)
from mnist_exp.cli.job_file import apply_job_file
from mnist_exp.cli.primary import OUR_NAME, SAVED_NAME
from mnist_exp.cli.run_folders import RUN_DIR, check_writable, run_folders
from mnist_exp.config import Stage
from mnist_exp.errors import ConfigError
from mnist_exp.experiment import Experiment
from mnist_exp.lazy import open_workspace
from mnist_exp.past_runs import JOB_STAGES
from mnist_exp.records import Record, RecordIndex
from mnist_exp.stages import RUNNERS, StageContext, StageRunner, run_stage
from mnist_exp.stages.all import AllStages
from mnist_exp.stages.following import followed
from mnist_exp.workspaces.base import Workspace

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Prepared:
    """A stage that has been checked and is ready to run.

    Attributes:
        runner: The stage, with its name and its specs.
        opened: The exit stack that closes the workspace at the end of the command. The stack is
            empty if no workspace was opened.
        flags: Hydra's flags of the command.
    """

    runner: StageRunner
    opened: ExitStack
    flags: Sequence[str]

    def checked(self, folders: Mapping[str, Path]) -> "Prepared":
        """Print the warnings of the config, and check the stage before any file is written.

        Args:
            folders: The result of `run_folders`.

        Returns:
            The stage to run. If another command runs the job, this stage follows the job.

        Raises:
            MnistExpError: A check failed. The workspace is closed.
        """
        context = self.runner.context
        for line in checks.warnings(context.config):
            context.display.warning(line)
        try:
            runner = followed(self.runner)
            # These checks may use the network. A dry run must not use the network.
            if not context.config.dry_run:
                with places_in(context.config.job_file):
                    _check_stage(runner)
            if runner.is_recorded:
                check_writable(Path(context.config.outputs_dir))
                for key, folder in folders.items():
                    check_writable(folder, key)
        except BaseException:
            self.opened.close()
            raise
        return replace(self, runner=runner)

    def run(self) -> Record:
        """Run the stage, or show the dry run of the stage, and return the record.

        Raises:
            MnistExpError: The stage failed.
        """
        context = self.runner.context
        with self.opened:
            if context.config.dry_run:
                return show_dry_run(context.config, context.folder, context.display.output)
            if self._runs_in_background:
                return run_in_background(self.runner, self.flags)
            return run_stage(self.runner)

    @property
    def _runs_in_background(self) -> bool:
        """Whether a second process must run the stage, because the job ends with its command."""
        context = self.runner.context
        is_job = self.runner.stage in JOB_STAGES and self.runner.is_recorded
        return is_job and not context.config.wait and not context.workspace.outlives_command


#: Run folder -> the prepared command that the task function will run. The variants of a multirun
#: are never in this dictionary, because Hydra calls `on_run_start` for single runs only.
_prepared_commands: dict[Path, Prepared] = {}
#: The folder of the multirun, and its parent folders that did not exist before. The list is empty
#: for a single run.
_multirun_folders: list[Path] = []
#: The file in which Hydra saves the config of a multirun. The list is empty for a single run, and
#: after the values in the file are hidden.
_multirun_files: list[Path] = []


class CheckBeforeRun(Callback):
    """Hydra's callback that prepares the command before Hydra creates the run folder."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Prepare the command and pass the prepared command to the task function.

        Raises:
            SystemExit: The preparation failed, the user pressed Ctrl-C, or the stage has no record
                and has ended. Hydra would ignore an `Exception` of a callback, but does not ignore
                SystemExit.
        """
        hide_override_dirname(config.hydra)
        # Hydra then writes the content of the job file into the run folder.
        job_file = _exit_on_error(lambda: apply_job_file(config, config.hydra))
        prepared = _exit_on_error(lambda: prepare(*split(config), job_file))
        # Hydra writes this config into the run folder.
        hide_values(config)
        if prepared.runner.is_recorded:
            _prepared_commands[prepared.runner.context.folder] = prepared
            return
        _exit_on_error(prepared.run)
        raise SystemExit(0)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Create the folder of the multirun.

        Each variant of the multirun is prepared separately, when the variant starts.

        Raises:
            SystemExit: The folder cannot be created.
        """
        folder = Path(config.hydra.sweep.dir)
        _exit_on_error(lambda: check_writable(folder, "hydra.sweep.dir"))
        created = (path for path in folder.absolute().parents if not path.exists())
        _multirun_folders[:] = [folder.absolute(), *created]
        _multirun_files[:] = [folder.absolute() / "multirun.yaml"]
        # Hydra writes the values of environment variables into this file. Only the user may read
        # the file until the values are hidden.
        folder.mkdir(parents=True, exist_ok=True)
        _multirun_files[0].touch(mode=0o600)


def multirun_folder() -> Path:
    """Return the folder of the multirun."""
    return _multirun_folders[0]


def delete_folder_of_variant(hydra_config: DictConfig) -> None:
    """Delete the files that Hydra wrote for a variant without a record, and the empty folder."""
    folder = Path(hydra_config.runtime.output_dir)
    if hydra_config.output_subdir:
        shutil.rmtree(folder / hydra_config.output_subdir, ignore_errors=True)
    # The user may have named a folder that contains other files. The folder then stays.
    with suppress(OSError):
        folder.rmdir()


def delete_empty_multirun() -> None:
    """Delete the folder of a multirun that contains no variant, and its new parent folders."""
    for folder in _multirun_folders[:1]:
        if folder.is_dir() and {path.name for path in folder.iterdir()} == {"multirun.yaml"}:
            (folder / "multirun.yaml").unlink()
    with suppress(OSError):
        for folder in _multirun_folders:
            folder.rmdir()


def hide_values_of_multirun() -> None:
    """Hide the values of environment variables in the config that Hydra wrote for a multirun.

    Hydra writes this config only once, before the first variant. Later calls do nothing.
    """
    for path in _multirun_files:
        hide_values_of_file(path)
    _multirun_files.clear()


def _exit_on_error(step: Callable[[], _Result]) -> _Result:
    """Run a step of the callback, which runs no jobs. Exit after an error."""
    try:
        with report_errors("interrupted") as outcome:
            return step()
    except BrokenPipeError as error:
        raise SystemExit(READER_HAS_EXITED) from error
    except Exception as error:
        # The error is a bug, or the user has set HYDRA_FULL_ERROR. Print the error here, because
        # Hydra would ignore the error and start the run.
        traceback.print_exc()
        raise SystemExit(1) from error
    raise SystemExit(outcome.exit_code)


def prepared_command(composed: DictConfig, hydra_config: DictConfig) -> Prepared:
    """Return the command that the callback has prepared, or prepare a variant of a multirun.

    Args:
        composed: The task's config, without the `hydra` node.
        hydra_config: The `hydra` node of the task.

    Raises:
        MnistExpError: A check failed.
    """
    folder = Path(hydra_config.runtime.output_dir)
    if folder in _prepared_commands:
        return _prepared_commands.pop(folder)
    job_file = apply_job_file(composed, hydra_config)
    return prepare(composed, hydra_config, job_file)


def prepare(
    composed: DictConfig, hydra_config: DictConfig, job_file: JobFile | None = None
) -> Prepared:
    """Check the command before any file is written, and return the prepared command.

    The arguments are those of `checked_experiment`.

    Raises:
        MnistExpError: A check failed.
    """
    experiment = checked_experiment(composed, hydra_config, job_file)
    folders = run_folders(hydra_config)
    return ready(experiment, folders[RUN_DIR], command_flags(hydra_config)).checked(folders)


def ready(
    experiment: Experiment,
    folder: Path,
    flags: Sequence[str],
    display: RichDisplay | None = None,
) -> Prepared:
    """Return the stage of a config, whose workspace opens when the stage first uses it.

    Args:
        experiment: The config, which has been checked.
        folder: The run folder.
        flags: Hydra's flags of the command.
        display: The output of the stage; None means the output of the command line.
    """
    display = display or RichDisplay(experiment.overrides, flags, experiment.registration)
    outputs, opened = Path(experiment.outputs_dir), ExitStack()

    @cache
    def open_once() -> Workspace:
        return opened.enter_context(closing(open_workspace(experiment, outputs, display.message)))

    context = StageContext(
        config=experiment,
        folder=folder,
        opener=open_once,
        index=RecordIndex(outputs),
        display=display,
        flags=flags,
    )
    kind = AllStages if experiment.stage is Stage.all else RUNNERS[experiment.stage]
    return Prepared(kind(context), opened, flags)


def _check_stage(runner: StageRunner) -> None:
    if faults := runner.faults():
        raise ConfigError(faults)
    if runner.stage is not Stage.doctor:
        _check_specs(runner)


def command_flags(hydra_config: DictConfig) -> list[str]:
    """Return the flags, with values, that select the config folders and the primary config."""
    paths = {source.provider: source.path for source in hydra_config.runtime.config_sources}
    flags = []
    if Path(paths.get("main", "")) != config_folder():
        flags += ["--config-path", os.path.relpath(paths["main"])]
    if "command-line" in paths:
        flags += ["--config-dir", os.path.relpath(paths["command-line"])]
    name = hydra_config.job.config_name
    return flags if name in (OUR_NAME, SAVED_NAME) else [*flags, "--config-name", name]


def _check_specs(runner: StageRunner) -> None:
    """Let the workspace check the specs before the stage uses the specs."""
    if not runner.specs:
        # Do not open the workspace, which imports many modules.
        return
    workspace = runner.context.workspace
    with runner.context.display.watching(None, "") as observer:
        for spec in runner.specs:
            workspace.check(spec, observer)
