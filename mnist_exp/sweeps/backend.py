"""The interfaces of the tuner: the backend that runs trials, and the listener."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mnist_exp.metrics import MetricPoint
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.sampling.algorithms import Parameters
from mnist_exp.sweeps.trial import Trial


@dataclass(frozen=True)
class TrialEnded:
    """The processes of a trial have ended, and all values that it logged were reported before.

    Attributes:
        why: Why the trial failed, where the backend knows more than the exit code.
        by_itself: Whether the trial ended before it was asked to end.
    """

    trial: int
    exit_code: int
    why: str = ""
    by_itself: bool = False

    def outcome(self, trial: Trial) -> tuple[JobStatus, str]:
        """Return the final status of the trial, and the reason."""
        is_canceled = trial.status is JobStatus.CANCEL_REQUESTED
        if is_canceled and not self.by_itself:
            return JobStatus.CANCELED, trial.why
        if self.exit_code:
            return JobStatus.FAILED, self.why or f"exit code {self.exit_code}"
        # Its values arrived late: the trial had completed when the sweep decided to end it.
        why = f"completed before it was {trial.why}" if is_canceled else self.why
        return JobStatus.COMPLETED, why


#: What a backend reports.
TrialEvent = MetricPoint | TrialEnded


class Backend(Protocol):
    """Runs trials; all calls come from one thread."""

    def start(self, trial: int, parameters: Parameters) -> None:
        """Start a trial; it counts as running when this returns.

        Raises:
            JobError: The trial cannot be started. None of its processes run; the sweep continues.
        """

    def poll(self, timeout_s: float) -> Sequence[TrialEvent]:
        """Return the events since the last call, in order of arrival.

        Without an event, wait for the next one; return nothing after `timeout_s` seconds.
        """

    def cancel(self, trial: int) -> None:
        """Ask a trial to end, and kill it after a grace period; do nothing if it has ended.

        Return at once: `poll` reports the end.
        """

    def finish(self, trial: Trial) -> None:
        """Record the final status of a trial and release what it held.

        The tuner calls this once for each trial that ends, before it calls the listener.
        """

    def now(self) -> float:
        """Return seconds of a clock that never goes back."""


class Listener(Protocol):
    """Receives the tuner's reports; all calls come from the tuner's thread."""

    def trial_changed(self, trial: Trial) -> None:
        """A trial started, logged the primary metric, was asked to end, or ended."""

    def message(self, text: str) -> None:
        """A decision in plain words."""
