"""The interfaces that the tuner calls: the backend, which runs trials, and the listener."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mnist_exp.metrics import MetricPoint
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.sampling.algorithms import Parameters
from mnist_exp.sweeps.trial import Trial


@dataclass(frozen=True)
class TrialEnded:
    """The event that the processes of a trial have ended.

    The backend has reported all values of the trial before this event.

    Attributes:
        why: Why the trial failed; empty if the backend knows only the exit code.
        by_itself: Whether the trial ended without a cancel request, or before the backend sent the
            request.
    """

    trial: int
    exit_code: int
    why: str = ""
    by_itself: bool = False

    def outcome(self, trial: Trial) -> tuple[JobStatus, str]:
        """Return the final status of the trial, and the reason.

        A trial that a policy has cut is Canceled, even if the trial completed or failed before the
        backend sent the cancel request. Otherwise the status would depend on the speed of the
        machine.
        """
        if trial.cut:
            return JobStatus.CANCELED, trial.cut.text
        is_canceled = trial.status is JobStatus.CANCEL_REQUESTED
        if is_canceled and not self.by_itself:
            return JobStatus.CANCELED, trial.why
        if self.exit_code:
            return JobStatus.FAILED, self.why or f"exit code {self.exit_code}"
        # The trial completed before the backend sent the cancel request.
        why = f"the trial completed before it was {trial.why}" if is_canceled else self.why
        return JobStatus.COMPLETED, why


#: An event that a backend reports.
TrialEvent = MetricPoint | TrialEnded


class Backend(Protocol):
    """An object that runs trials. The tuner makes all calls from one thread."""

    def start(self, trial: int, parameters: Parameters) -> None:
        """Start a trial. The trial counts as running when this method returns.

        Raises:
            JobError: The trial cannot be started, and no process of the trial runs. The tuner
                records the trial as Failed and continues the sweep.
        """

    def poll(self, timeout_s: float) -> Sequence[TrialEvent]:
        """Return the events since the last call, in order of arrival.

        If there is no event yet, wait for the next event. Return an empty sequence if no event
        arrives within `timeout_s` seconds.
        """

    def cancel(self, trial: int) -> None:
        """Send a cancel request to a trial, and kill the trial after a grace period.

        Do nothing if the trial has ended. Return immediately: `poll` reports when the trial has
        ended.
        """

    def finish(self, trial: Trial) -> None:
        """Record the final status of a trial, and release the resources of the trial.

        The tuner calls this method once for each trial that ends. The tuner calls the listener
        after this method.
        """

    def now(self) -> float:
        """Return the time in seconds, from a clock that is never set back."""


class Listener(Protocol):
    """An object that receives the tuner's reports. The tuner makes all calls from one thread."""

    def trial_changed(self, trial: Trial) -> None:
        """Receive a trial that started, logged the primary metric, was canceled, or ended."""

    def message(self, text: str) -> None:
        """Receive one line of text for the user, about a decision of the tuner."""
