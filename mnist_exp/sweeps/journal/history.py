"""Rebuild the state of a sweep at the end of its last command, from the entries of its journal."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mnist_exp.status import JobStatus
from mnist_exp.sweeps.journal.entries import (
    Created,
    Decided,
    Ended,
    Entry,
    Finished,
    Interrupted,
    Logged,
    Resumed,
    Sampled,
    Started,
)
from mnist_exp.sweeps.stopping.policy import Cut
from mnist_exp.sweeps.trial import Trial


@dataclass
class History:
    """A sweep as its journal describes it.

    Attributes:
        sweep: The description of the sweep, from the entry `Created`.
        trials: The trials, in the order of their indices. The status of a trial that had not ended
            is CancelRequested if the sweep had decided to end the trial, else Running.
        row: The row number, in the local MLflow store, of the newest value in the journal; 0 if the
            journal contains no row number.
        elapsed: Total seconds that all commands have spent on the sweep.
        finished: The last entry of a sweep that has ended; None if the sweep has not ended.
        status: The status that the last command wrote; Running if the command wrote no status.
    """

    sweep: Mapping[str, Any] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    row: int = 0
    elapsed: float = 0.0
    finished: Finished | None = None
    status: JobStatus = JobStatus.RUNNING

    @property
    def unfinished(self) -> list[Trial]:
        """The trials that have not ended and that the sweep has not decided to end."""
        return [trial for trial in self.trials if trial.status is JobStatus.RUNNING]

    def shift_clock(self, seconds: float) -> None:
        """Convert all times to another clock: add `seconds` to each time."""
        for trial in self.trials:
            trial.started += seconds
            trial.ended = None if trial.ended is None else trial.ended + seconds

    def apply(self, entry: Entry, primary_metric: str) -> None:
        """Apply the next entry of the journal."""
        if isinstance(entry, Created):
            self.sweep = entry.sweep
        elif isinstance(entry, Sampled):
            if entry.trial != len(self.trials):
                raise ValueError(
                    f"an entry samples trial {entry.trial}, expected {len(self.trials)}"
                )
            self.trials.append(Trial(entry.trial, entry.parameters, entry.at))
        elif isinstance(entry, Resumed):
            self.status = JobStatus.RUNNING
            for trial in entry.again:
                self.trials[trial].forget_values()
        elif isinstance(entry, Started):
            self.trials[entry.trial].started = entry.at
        elif isinstance(entry, Logged):
            self.row = max(self.row, entry.point.row)
            self.trials[entry.point.trial].record(entry.point, primary_metric)
        elif isinstance(entry, Decided | Ended):
            self._change(entry)
        elif isinstance(entry, Interrupted):
            self.status = JobStatus.CANCELED
        elif isinstance(entry, Finished):
            self.finished, self.status = entry, JobStatus(entry.status)

    def _change(self, entry: Decided | Ended) -> None:
        trial = self.trials[entry.trial]
        if isinstance(entry, Ended):
            trial.status = JobStatus(entry.status)
            trial.exit_code, trial.why, trial.ended = entry.exit_code, entry.why, entry.at
            return
        trial.status, trial.why, trial.end_decided = JobStatus.CANCEL_REQUESTED, entry.reason, True
        if entry.interval is not None:
            trial.cut = Cut(entry.interval, entry.reason)
            trial.why = trial.cut.text


def read_history(entries: Iterable[Entry], primary_metric: str) -> History:
    """Rebuild a sweep from the entries of its journal.

    Raises:
        LookupError, ValueError: The entries contradict each other.
    """
    history = History()
    began = last = 0.0
    for entry in entries:
        if isinstance(entry, Created | Resumed):
            history.elapsed += last - began
            began = entry.at
        last = entry.at
        history.apply(entry, primary_metric)
    history.elapsed += last - began
    return history
