"""The interfaces of a stage: its context (the input), its runner and its display (the output)."""

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
    """The output of a stage to the user: messages, progress and summaries."""

    def stage_started(self, record: Record) -> None:
        """Show that a stage begins."""

    def watching(
        self, total_events: int | None, primary_metric: str, trials: int | None = None
    ) -> "ProgressView":
        """Return a context manager that shows a job's progress.

        Args:
            total_events: Expected number of log events of the primary metric; None if unknown.
            primary_metric: The metric to show; if empty, no metric is shown.
            trials: The number of trials of a sweep; None for a single job.
        """

    def message(self, text: str) -> None:
        """Print a line about the progress."""

    def output(self, text: str) -> None:
        """Print a line of the stage's result to standard output."""

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
    """The input of a stage.

    Attributes:
        folder: The stage's run folder, which contains `run.json` and `figures/`.
        opener: Function that returns the workspace, the same object at every call. The first call
            may take seconds.
        produced: Stage -> record, for the stages that the same command ran before (`stage=all`).
        endpoint_suffix: Function that returns the last part of a new endpoint's name, the same
            text at every call.
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
        """The workspace in which the experiment runs."""
        return self.opener()

    def figure(self, name: str) -> Path:
        """Return the path for a figure of this stage."""
        return self.folder / "figures" / f"{name}.png"


class StageRunner(Protocol):
    """One stage: its preconditions, its name and its action."""

    stage: Stage

    def faults(self, context: StageContext) -> list[str]:
        """Return a line for each reason why the stage cannot start. Change nothing."""

    def name(self, context: StageContext) -> str:
        """Return the name of the object that the stage creates, changes or reads."""

    def run(self, context: StageContext, record: Record) -> Record:
        """Run the stage, and return the record with the results."""
