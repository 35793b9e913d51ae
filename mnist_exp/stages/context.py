"""The interface of a stage (its runner), its input (the context) and its output (the display)."""

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
        """Print one line to standard output. The line is a part of the stage's result."""

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
    """An interrupt by the user, in a stage that already has results.

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
        config: The config of the experiment.
        folder: The stage's run folder, which contains `run.json` and `figures/`.
        opener: Function that returns the workspace. Every call returns the same object. The first
            call may take seconds.
        index: The list of the records of all earlier stages in the outputs folder.
        display: The output to the user.
        produced: Stage -> record, for the stages that this command (`stage=all`) ran before.
        endpoint_suffix: Function that returns the last part of a new endpoint's name. Every call
            returns the same text.
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
    """One stage: its preconditions, its name and its action.

    Attributes:
        stage: The value of the config key `stage` that selects this stage.
    """

    stage: Stage

    def faults(self, context: StageContext) -> list[str]:
        """Return an error message for each reason why the stage cannot start. Change nothing."""

    def name(self, context: StageContext) -> str:
        """Return the name of the object that the stage creates, changes or reads."""

    def run(self, context: StageContext, record: Record) -> Record:
        """Run the stage, and return the record with the results."""
