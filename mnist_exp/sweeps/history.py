"""What a journal says of a sweep: how far it had come when its command was gone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mnist_exp.status import JobStatus
from mnist_exp.sweeps.journal import (
    Created,
    Decided,
    Ended,
    Entry,
    Finished,
    Logged,
    Resumed,
    Sampled,
    Started,
)
from mnist_exp.sweeps.stopping.policy import Cut
from mnist_exp.sweeps.trial import Trial


@dataclass
class History:
    """A sweep that may be gone on with.

    Attributes:
        sweep: How it was described when it was made.
        trials: By index; those that had not ended are Running, or CancelRequested where their
            end was decided.
        points: Trial -> metric -> (value, step) of each log event that counts.
        logged: The names of all metrics.
        row: The last row of the store that the journal has.
        elapsed: Seconds that commands have spent on the sweep.
        finished: How it ended for good; None if it has not.
    """

    sweep: Mapping[str, Any] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    points: dict[int, dict[str, list[tuple[float, int]]]] = field(default_factory=dict)
    logged: set[str] = field(default_factory=set)
    row: int = 0
    elapsed: float = 0.0
    finished: Finished | None = None

    @property
    def unfinished(self) -> list[Trial]:
        """The trials that have to be seen to their end."""
        return [trial for trial in self.trials if trial.status is JobStatus.RUNNING]

    def shift_clock(self, seconds: float) -> None:
        """Move all times, to be those of another clock."""
        for trial in self.trials:
            trial.started += seconds
            trial.ended = None if trial.ended is None else trial.ended + seconds

    def begin_again(self, trial: int) -> None:
        """Forget what a trial has logged."""
        self.points[trial] = {}
        self.trials[trial].values.clear()

    def take(self, entry: Entry, primary_metric: str) -> None:
        """Take in the next entry of the journal."""
        if isinstance(entry, Created):
            self.sweep = entry.sweep
        elif isinstance(entry, Sampled):
            if entry.trial != len(self.trials):
                raise ValueError(f"trial {entry.trial} is not the next one to be sampled")
            self.trials.append(Trial(entry.trial, entry.parameters, entry.at))
            self.points[entry.trial] = {}
        elif isinstance(entry, Resumed):
            for trial in entry.again:
                self.begin_again(trial)
        elif isinstance(entry, Started):
            self.trials[entry.trial].started = entry.at
        elif isinstance(entry, Logged):
            self._log(entry, primary_metric)
        elif isinstance(entry, Decided | Ended):
            self._change(entry)
        elif isinstance(entry, Finished):
            self.finished = entry

    def _log(self, entry: Logged, primary_metric: str) -> None:
        self.row = max(self.row, entry.row)
        self.logged.add(entry.name)
        points = self.points[entry.trial].setdefault(entry.name, [])
        points.append((entry.value, entry.step))
        if entry.name == primary_metric:
            self.trials[entry.trial].values.append(entry.value)

    def _change(self, entry: Decided | Ended) -> None:
        trial = self.trials[entry.trial]
        if isinstance(entry, Ended):
            trial.status = JobStatus(entry.status)
            trial.exit_code, trial.why, trial.ended = entry.exit_code, entry.why, entry.at
            return
        trial.status, trial.why, trial.decided = JobStatus.CANCEL_REQUESTED, entry.reason, True
        if entry.interval is not None:
            trial.cut = Cut(entry.interval, entry.reason)
            trial.why = f"cut at interval {entry.interval}: {entry.reason}"


def read_history(entries: Iterable[Entry], primary_metric: str) -> History:
    """Rebuild a sweep from the entries of its journal.

    Raises:
        LookupError, ValueError: They do not make sense together.
    """
    history = History()
    began = last = 0.0
    for entry in entries:
        if isinstance(entry, Created | Resumed):
            history.elapsed += last - began
            began = entry.at
        last = entry.at
        history.take(entry, primary_metric)
    history.elapsed += last - began
    return history
