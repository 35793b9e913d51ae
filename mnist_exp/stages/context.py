"""What a stage is given, what a stage is, and where a stage shows what it does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol

from mnist_exp.config import Stage
from mnist_exp.experiment import Experiment
from mnist_exp.names import suffix_drawn_once
from mnist_exp.records import Record, RecordIndex
from mnist_exp.workspaces.base import Observer, Workspace


class Display(Protocol):
    """Where a stage shows what it does."""

    def stage_started(self, record: Record) -> None:
        """Show that a stage begins."""

    def watching(
        self, total_events: int | None, primary_metric: str, trials: int | None = None
    ) -> "ProgressView":
        """Return a context manager that shows a job's progress.

        Args:
            total_events: How often the job logs the primary metric; None if unknown.
            primary_metric: The metric to show; empty for none.
            trials: The number of trials of a sweep; None for a single job.
        """

    def message(self, text: str) -> None:
        """Print a line about the progress."""

    def output(self, text: str) -> None:
        """Print a line of what the stage was asked for, to standard output."""

    def resume_hint(self, record: Record) -> None:
        """Print the command that resumes an unfinished job."""

    def stage_ended(self, record: Record) -> None:
        """Show the summary of a stage that has ended."""


class ProgressView(Protocol):
    """A context manager that shows the progress of a job."""

    def __enter__(self) -> Observer: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class StageInterrupted(KeyboardInterrupt):
    """The user interrupted a stage that already had results.

    Attributes:
        record: The stage's record with these results.
    """

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.record = record


@dataclass(frozen=True)
class StageContext:
    """What a stage works with.

    Attributes:
        folder: The stage's run folder, for `run.json` and `figures/`.
        opener: Returns the workspace, always the same object; the first call may take seconds.
        produced: The records of the stages that the same command ran before (`stage=all`).
        endpoint_suffix: Returns the end of a new endpoint's name, the same text at every call.
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
    """One stage: its conditions, its name and its work."""

    stage: Stage

    def faults(self, context: StageContext) -> list[str]:
        """Return a line for each reason why the stage cannot start; change nothing."""

    def name(self, context: StageContext) -> str:
        """Return the name of what the stage creates or acts on."""

    def run(self, context: StageContext, record: Record) -> Record:
        """Do the work of the stage, and return the record with its results."""
