"""The interface of a stage (its runner), its input (the context) and its output (the display)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Protocol

from mnist_exp.config import FigureFormat, Stage
from mnist_exp.experiment import Experiment
from mnist_exp.past_runs import JOB_STAGES, PastRun, past_runs
from mnist_exp.records import Record, RecordIndex
from mnist_exp.specs import Spec
from mnist_exp.workspaces.base import Observer, Workspace


class Display(Protocol):
    """The output of a stage to the user: messages, progress and summaries."""

    def stage_started(self, record: Record) -> None:
        """Show that a stage begins."""

    def watching(
        self,
        total_events: int | None,
        primary_metric: str,
        trials: int | None = None,
        noun: str = "trial",
    ) -> "ProgressView":
        """Return a context manager that shows a job's progress.

        Args:
            total_events: Expected number of intervals of the primary metric; None if unknown.
            primary_metric: The metric to show; if empty, no metric is shown.
            trials: Maximum number of trials of a sweep; None for a single job.
            noun: The word for a trial. A multirun shows its variants like trials.
        """

    def message(self, text: str) -> None:
        """Print a line about the progress."""

    def warning(self, text: str) -> None:
        """Print a warning."""

    def output(self, text: str) -> None:
        """Print one line to standard output. The line is a part of the stage's result."""

    def runs(self, runs: Sequence[PastRun], hidden: int, metric: str | None) -> None:
        """Print a table of past runs.

        Args:
            runs: The runs, in the order of the rows.
            hidden: Number of further runs that the table does not show.
            metric: The metric in the table; None means the primary metric of each run.
        """

    def side_by_side(self, runs: Sequence[PastRun]) -> None:
        """Print a table that compares the parameters and metrics of runs."""

    def summary(self, record: Record) -> None:
        """Print the summary of a stage that an earlier command ran."""

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
        index: The index of all records in the outputs folder.
        display: The output to the user.
        produced: Stage -> record, for the completed stages of this `stage=all`; empty for a command
            with a single stage.
        flags: The flags of the command that select the config, with their values.
    """

    config: Experiment
    folder: Path
    opener: Callable[[], Workspace]
    index: RecordIndex
    display: Display
    produced: Mapping[Stage, Record] = field(default_factory=dict)
    flags: Sequence[str] = ()

    @property
    def workspace(self) -> Workspace:
        """The workspace in which the experiment runs."""
        return self.opener()

    @cached_property
    def past_jobs(self) -> Sequence[PastRun]:
        """The training runs and sweeps in the outputs folder, in the order of their starts."""
        return past_runs(self.index, *JOB_STAGES)

    def is_here(self, record: Record) -> bool:
        """Return whether the record belongs to the kind of workspace that the command uses."""
        return record.workspace == self.config.workspace.type.value

    def figures(self, name: str) -> Mapping[str, Path]:
        """Return the key in `Record.paths` and the path of each file of a figure: PNG comes first.

        The key of the PNG is the name of the figure. The other key ends with the format.
        """
        paths = {name: self.folder / "figures" / f"{name}.png"}
        chosen = self.config.figure_format
        if chosen is not FigureFormat.png:
            paths[f"{name}_{chosen.value}"] = paths[name].with_suffix(f".{chosen.value}")
        return paths


class StageRunner(ABC):
    """One stage of a command: its preconditions, its name, its specs and its action.

    The name and the specs are computed once. The checks before the run and the run itself use the
    same name and the same specs.

    Attributes:
        stage: The value of the config key `stage` that selects this stage.
        context: The input of the stage.
    """

    stage: Stage

    def __init__(self, context: StageContext) -> None:
        self.context = context

    @property
    def is_recorded(self) -> bool:
        """Whether the stage has a run folder with a record."""
        return self.stage.is_recorded

    def faults(self) -> list[str]:
        """Return an error message for each reason why the stage cannot start. Change nothing.

        The default is no message: for most stages, the checks of the config find every fault.
        """
        return []

    @property
    @abstractmethod
    def name(self) -> str:
        """The name of the object that the stage creates, changes or reads."""

    @property
    def specs(self) -> Sequence[Spec]:
        """The specs that the workspace must check before the stage runs."""
        return ()

    @abstractmethod
    def run(self, record: Record) -> Record:
        """Run the stage, and return the record with the results."""
