"""What a stage is given, and the frame that every stage runs in."""

import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Protocol

from mnist_exp.config import Stage
from mnist_exp.errors import JobError, MnistExpError
from mnist_exp.experiment import Experiment
from mnist_exp.names import suffix_drawn_once
from mnist_exp.records import Record, RecordIndex
from mnist_exp.stages.fingerprint import fingerprint
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import BY_THE_USER, Detached, Observer, Workspace

#: Packages whose versions decide what a run gives.
_RECORDED_PACKAGES = ("mnist-exp", "tensorflow", "keras", "mlflow", "numpy", "azure-ai-ml")


class Display(Protocol):
    """Where a stage shows what it does."""

    def stage_started(self, record: Record) -> None:
        """A stage begins."""

    def watching(
        self, total_events: int | None, primary_metric: str, trials: int | None = None
    ) -> "Watching":
        """Return a context manager whose observer shows a job's progress."""

    def message(self, text: str) -> None:
        """A line worth reading."""

    def result(self, text: str) -> None:
        """What the stage was asked for, for people and for pipes."""

    def resumable(self, record: Record) -> None:
        """Say how to go on with a job that has not been completed."""

    def stage_ended(self, record: Record) -> None:
        """A stage has ended; its summary."""


class Watching(Protocol):
    """Shows progress while it is entered."""

    def __enter__(self) -> Observer: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class StageInterrupted(KeyboardInterrupt):
    """The user stopped a stage that had something to show by then.

    Attributes:
        record: The stage's record with it.
    """

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.record = record


@dataclass(frozen=True)
class StageContext:
    """What a stage works with.

    Attributes:
        folder: The stage's run folder: `run.json` and `figures/` go there.
        opener: Returns the workspace, always the same one; the first call may take seconds.
        produced: Records of stages that ran before in the same command (`stage=all`).
        endpoint_suffix: Returns the end of a new endpoint's name, the same one at every call.
    """

    config: Experiment
    folder: Path
    opener: Callable[[], Workspace]
    index: RecordIndex
    display: Display
    produced: Mapping[Stage, Record] = field(default_factory=dict)
    endpoint_suffix: Callable[[], str] = field(default_factory=suffix_drawn_once)

    @property
    def workspace(self) -> Workspace:
        """Where the experiment runs."""
        return self.opener()

    def figure(self, name: str) -> Path:
        """Return the path for a figure of this stage."""
        return self.folder / "figures" / f"{name}.png"


class StageRunner(Protocol):
    """One stage: what must hold before it, its name, and what it does."""

    stage: Stage

    def faults(self, context: StageContext) -> list[str]:
        """Return one line for each thing that keeps the stage from starting; change nothing."""

    def name(self, context: StageContext) -> str:
        """Return the name of what the stage makes or acts on, before it does."""

    def run(self, context: StageContext, record: Record) -> Record:
        """Do it, and return the record with what came of it."""


def run_stage(runner: StageRunner, context: StageContext) -> Record:
    """Run a stage in its frame: record before and after, summary, errors recorded.

    Raises:
        MnistExpError: What went wrong; the record has it in `why`.
        KeyboardInterrupt: The user stopped it; the record says Canceled.
    """
    began = time.monotonic()
    record = Record(
        stage=runner.stage,
        name=runner.name(context),
        status=JobStatus.RUNNING,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        workspace=context.config.workspace.type.value,
        versions=dict(_versions()),
        git_commit=_git_commit(),
        seed=context.config.seed,
        fingerprint=fingerprint(context.config, runner.stage),
    )
    record.save(context.folder)
    context.index.add(record, context.folder)
    context.display.stage_started(record)
    try:
        record = runner.run(context, record)
        if record.status is JobStatus.RUNNING:
            record = record.with_changes(status=JobStatus.COMPLETED)
    except Detached:
        record = record.with_changes(why="detached by the user; the job goes on")
        raise
    except KeyboardInterrupt as interrupt:
        if isinstance(interrupt, StageInterrupted):
            record = interrupt.record
        record = record.with_changes(status=JobStatus.CANCELED, why=BY_THE_USER)
        raise
    except MnistExpError as error:
        record = record.with_changes(status=JobStatus.FAILED, why=error.lines[0])
        raise
    except BaseException as error:
        why = f"{type(error).__name__}: {error}"
        record = record.with_changes(status=JobStatus.FAILED, why=why)
        raise
    finally:
        record = record.with_changes(duration_s=round(time.monotonic() - began, 3))
        record.save(context.folder)
    context.display.stage_ended(record)
    if record.status.ended_badly:
        raise _failure(record)
    return record


def _failure(record: Record) -> JobError:
    log = f"; its log: {record.paths['log']}" if "log" in record.paths else ""
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
    """Return the commit that the current folder is at, None outside a repository."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
