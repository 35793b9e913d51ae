"""Run a stage, write its record at the start and at the end, and show its summary.

If the stage fails, the record contains the error. A stage that only prints results, such as
`stage=status`, has neither a record nor a summary.
"""

import platform
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any, Self

from mnist_exp.config import Stage
from mnist_exp.errors import ConnectionLostError, JobError, MnistExpError
from mnist_exp.experiment import Experiment
from mnist_exp.file_locks import locked
from mnist_exp.records import COMMAND_LOCK, Record, shown_path
from mnist_exp.stages.context import StageInterrupted, StageRunner
from mnist_exp.stages.pages import with_page
from mnist_exp.stages.resume import fingerprint, has_ended, hide_kept_values
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import BY_THE_USER, Detached

#: Packages whose versions influence the results of a run. Each record contains these versions.
_RECORDED_PACKAGES = ("mnist-exp", "tensorflow", "keras", "mlflow", "numpy", "azure-ai-ml")


def run_stage(runner: StageRunner) -> Record:
    """Run a stage, and return its record.

    Raises:
        MnistExpError: The stage failed. The record has the message in its field `why`.
        KeyboardInterrupt: The user interrupted the stage. The record has the status Canceled.
    """
    if runner.is_recorded:
        with locked(runner.context.folder / COMMAND_LOCK):
            record = _recorded(runner)
    else:
        record = runner.run(_bare(runner).with_changes(status=JobStatus.COMPLETED))
    if record.status.ended_badly:
        raise failure(record)
    return record


def _ended(runner: StageRunner, record: Record) -> Record:
    """Run a stage. Return its record with a final status."""
    record = runner.run(record)
    if record.status is JobStatus.RUNNING:
        record = record.with_changes(status=JobStatus.COMPLETED)
    return record


def _recorded(runner: StageRunner) -> Record:
    """Run a stage, write its record at the start and at the end, and show its summary."""
    recording = Recording(runner)
    with recording:
        runner.context.display.stage_started(recording.record)
        recording.record = _ended(runner, recording.record)
    runner.context.display.stage_ended(recording.record)
    return recording.record


class Recording:
    """A context manager that writes the record of a stage at the start and at the end of the stage.

    If the stage raises an error, the record gets the status and the reason.

    Attributes:
        record: The present record. The stage replaces the record when it has results.
    """

    def __init__(self, runner: StageRunner) -> None:
        self.record = _new_record(runner)
        self._context = runner.context
        self._began = time.monotonic()
        self._ended: float | None = None
        self._is_in_index = False

    def queue(self) -> None:
        """Write the record of a stage that starts later, with the status NotStarted."""
        self._save(status=JobStatus.NOT_STARTED)

    def stop_clock(self) -> None:
        """End the duration of the stage now, although the stage still saves its results."""
        self._ended = time.monotonic()

    def __enter__(self) -> Self:
        """Write the record with the status Running."""
        self._began = time.monotonic()
        self._save(status=JobStatus.RUNNING, started=_now())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the record with its final status, and the page of a job."""
        changes = {} if error is None else self._changes(error)
        ended = time.monotonic() if self._ended is None else self._ended
        self._save(duration_s=round(ended - self._began, 3), **changes)
        # An interrupt during the writing of the page does not change the saved status.
        with_report = with_page(self._context, self.record)
        if with_report != self.record:
            self.record = with_report
            self._save()
        if self.record.stage.trains and has_ended(self.record):
            hide_kept_values(self._context, self.record)

    def _save(self, **changes: Any) -> None:
        self.record = self.record.with_changes(**changes)
        self.record.save(self._context.folder)
        if not self._is_in_index:
            self._is_in_index = True
            self._context.index.add(self.record, self._context.folder)

    def _changes(self, error: BaseException) -> dict[str, Any]:
        """Return the changes of the record after an error or an interrupt."""
        match error:
            case Detached():
                return {"why": "detached by the user; the job continues to run"}
            case StageInterrupted():
                self.record = error.record
                return {"status": JobStatus.CANCELED, "why": BY_THE_USER}
            case KeyboardInterrupt():
                return {"status": JobStatus.CANCELED, "why": BY_THE_USER}
            case ConnectionLostError():
                # The job's final status is unknown. A later command may find that the job has
                # completed.
                return {"why": error.lines[0]}
            case MnistExpError():
                why = error.lines[0]
            case BrokenPipeError():
                why = "the reader of the command's output has exited, e.g. head"
            case _:
                why = f"{type(error).__name__}: {error}"
        return {"status": JobStatus.FAILED, "why": why}


def _bare(runner: StageRunner) -> Record:
    """Return a record without facts about the machine and the code."""
    return Record(
        stage=runner.stage,
        name=runner.name,
        status=JobStatus.RUNNING,
        started=_now(),
        workspace=runner.context.config.workspace.type.value,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _new_record(runner: StageRunner) -> Record:
    config = runner.context.config
    return _bare(runner).with_changes(
        experiment_name=config.job.experiment_name if runner.stage.trains else "",
        primary_metric=_primary_metric(config, runner.stage),
        goal=config.sweep.objective.goal.lower() if runner.stage is Stage.sweep else "",
        overrides=list(config.overrides),
        flags=list(runner.context.flags),
        versions=dict(_versions()),
        git_commit=_git_commit(),
        seed=config.seed,
        fingerprint=fingerprint(config, runner.stage),
    )


def _primary_metric(config: Experiment, stage: Stage) -> str:
    if stage is Stage.sweep:
        return config.sweep.objective.primary_metric
    return (config.job.primary_metric or "") if stage is Stage.train else ""


def failure(record: Record) -> JobError:
    """Return the error for a record of a stage that failed or was canceled."""
    log = f"; see the log: {shown_path(record.paths['log'])}" if "log" in record.paths else ""
    return JobError(f"{record.stage.value} {record.name}: {record.why}{log}", record.log_tail)


@cache
def _versions() -> Mapping[str, str]:
    found = {"python": platform.python_version()}
    for package in _RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git_commit() -> str | None:
    """Return the git commit of the current folder; None if the folder is in no repository."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
