"""What the tuner needs of whatever runs trials, and what it tells whoever watches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mnist_exp.status import JobStatus
from mnist_exp.sweeps.sampling.algorithms import Parameters
from mnist_exp.sweeps.trial import Trial


@dataclass(frozen=True)
class MetricLogged:
    """A trial has logged a value of some metric; any name, since hints list them all.

    Attributes:
        row: Where the store has it; counts up over all trials.
    """

    trial: int
    name: str
    value: float
    step: int = 0
    row: int = 0


@dataclass(frozen=True)
class TrialEnded:
    """A trial's process is gone, and all that it logged has been reported before.

    Attributes:
        why: Why it failed, where the backend can say more than the exit code.
        by_itself: Whether it had ended before anyone asked it to.
    """

    trial: int
    exit_code: int
    why: str = ""
    by_itself: bool = False

    def outcome(self, trial: Trial) -> tuple[JobStatus, str]:
        """Return how the trial ended, and why."""
        is_canceled = trial.status is JobStatus.CANCEL_REQUESTED
        if is_canceled and not self.by_itself:
            return JobStatus.CANCELED, trial.why
        if self.exit_code:
            return JobStatus.FAILED, self.why or f"exit code {self.exit_code}"
        # What a canceled one logged arrived late: it was through when that was decided.
        why = f"was through before it was {trial.why}" if is_canceled else self.why
        return JobStatus.COMPLETED, why


TrialEvent = MetricLogged | TrialEnded


class Backend(Protocol):
    """Runs trials; all calls come from one thread."""

    def start(self, trial: int, parameters: Parameters) -> None:
        """Start a trial; it counts as running when this returns.

        Raises:
            JobError: It cannot be started. Nothing of it runs, and the sweep goes on without it.
        """

    def poll(self, timeout_s: float) -> Sequence[TrialEvent]:
        """Return what has happened, in order of arrival: at once, or when there is something.

        Returns nothing when nothing happened for `timeout_s` seconds.
        """

    def cancel(self, trial: int) -> None:
        """Begin to end a trial, by force in the end; does nothing if it has ended.

        Does not wait: `poll` reports the end.
        """

    def now(self) -> float:
        """Return seconds of a clock that never goes back."""


class Listener(Protocol):
    """Hears what the tuner does; all calls come from the tuner's thread."""

    def trial_changed(self, trial: Trial) -> None:
        """A trial started, logged the primary metric, was asked to end, or ended."""

    def message(self, text: str) -> None:
        """A decision, in plain words."""
