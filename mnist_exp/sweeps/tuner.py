"""The loop of a sweep: starts trials, listens to them, ends those that fall behind.

It knows no process: a `Backend` runs trials, and every decision follows from the events that it
reports and the time at which they arrive.
"""

from dataclasses import dataclass, field, replace

from mnist_exp.errors import JobError
from mnist_exp.sweeps.backend import Backend, Listener, MetricLogged, TrialEnded, TrialEvent
from mnist_exp.sweeps.limits import Limits
from mnist_exp.sweeps.policy import Policy
from mnist_exp.sweeps.ranking import Objective
from mnist_exp.sweeps.sampling import Configurations
from mnist_exp.sweeps.trial import SweepResult, Trial, TrialStatus, summarize

__all__ = ["Tuner"]

# The longest wait for an event: interrupts and clocks get their turn.
_POLL_S = 1.0
# How long canceled trials get to be gone when the sweep itself has to leave.
_GRACE_S = 60.0


@dataclass
class Tuner:
    """Runs one sweep by the limits and policies of Azure ML.

    https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters

    A trial keeps its slot until its process is gone, and the slot is filled again at once. The
    sweep's timeout counts from `run`, a trial's from its start.

    Attributes:
        policy: Early termination; None lets every trial run to its end.
    """

    configurations: Configurations
    limits: Limits
    objective: Objective
    policy: Policy | None
    backend: Backend
    listener: Listener
    _trials: list[Trial] = field(default_factory=list, init=False)
    _alive: dict[int, Trial] = field(default_factory=dict, init=False)
    _logged: set[str] = field(default_factory=set, init=False)
    _warnings: list[str] = field(default_factory=list, init=False)
    _started: float = field(default=0.0, init=False)
    _exhausted: bool = field(default=False, init=False)
    _why: str = field(default="", init=False)

    def run(self) -> SweepResult:
        """See the sweep through.

        Whatever breaks into it, Ctrl-C or an error of backend or listener, cancels the running
        trials and is raised again; `result` then tells what there is.
        """
        self._started = self.backend.now()
        try:
            self._loop()
        except KeyboardInterrupt:
            self.cancel_all("interrupted")
            raise
        except BaseException as error:
            self.cancel_all(f"stopped by {type(error).__name__}")
            raise
        return self.result()

    def result(self) -> SweepResult:
        """Return how the sweep stands, at any time."""
        found = summarize(self._trials, self.objective, self._logged, self._why)
        return replace(found, warnings=(*self._warnings, *found.warnings))

    def cancel_all(self, why: str) -> None:
        """Cancel the running trials, start no more, and wait until all are gone.

        Trials that are still there after a minute, or at a second interrupt, are recorded as
        Canceled nonetheless.
        """
        try:
            self._stop(why)
            deadline = self.backend.now() + _GRACE_S
            while self._alive and self.backend.now() < deadline:
                self._take_events(_POLL_S)
        finally:
            for trial in list(self._alive.values()):
                self._end(trial, TrialStatus.CANCELED, why)

    @property
    def _running(self) -> list[Trial]:
        return [one for one in self._alive.values() if one.status is TrialStatus.RUNNING]

    @property
    def _has_more(self) -> bool:
        return (
            not self._why
            and not self._exhausted
            and len(self._trials) < self.limits.max_total_trials
        )

    def _loop(self) -> None:
        while True:
            self._refill()
            if not self._alive:
                return
            self._take_events(self._patience())
            self._enforce_timeouts()

    def _refill(self) -> None:
        while self._has_more and len(self._alive) < self.limits.max_concurrent_trials:
            self._start(len(self._trials))

    def _start(self, index: int) -> None:
        try:
            parameters = self.configurations[index]
        except IndexError:
            self._exhausted = True
            self.listener.message(f"all {index} configurations of the search space were tried")
            return
        trial = Trial(index, parameters, self.backend.now())
        try:
            self.backend.start(index, parameters)
        except JobError as error:
            self._trials.append(trial)
            self._end(trial, TrialStatus.FAILED, str(error))
            return
        trial.started = self.backend.now()
        self._trials.append(trial)
        self._alive[index] = trial
        self.listener.trial_changed(trial)

    def _patience(self) -> float:
        """Return how long nothing needs to be done, whatever the trials do."""
        deadlines = [
            trial.started + self.limits.trial_timeout
            for trial in self._running
            if self.limits.trial_timeout
        ]
        if self.limits.timeout and not self._why:
            deadlines.append(self._started + self.limits.timeout)
        waits = [deadline - self.backend.now() for deadline in deadlines]
        return max(0.0, min([_POLL_S, *waits]))

    def _take_events(self, timeout_s: float) -> None:
        for event in self.backend.poll(timeout_s):
            self._take(event)

    def _take(self, event: TrialEvent) -> None:
        trial = self._trials[event.trial]
        if isinstance(event, TrialEnded):
            self._take_end(trial, event)
            return
        self._logged.add(event.name)
        if event.name == self.objective.primary_metric:
            self._take_value(trial, event)

    def _take_value(self, trial: Trial, event: MetricLogged) -> None:
        # What a trial logs while it is being ended still counts for its best value.
        trial.values.append(event.value)
        self.listener.trial_changed(trial)
        if self.policy is None or trial.status is not TrialStatus.RUNNING:
            return
        self._warn(self.policy.caution(event.value))
        histories = {other.index: other.values for other in self._trials}
        cut = self.policy.decide(trial.index, len(trial.values), histories, self.objective.goal)
        if cut:
            trial.cut = cut
            self._cancel(trial, f"cut at interval {cut.interval}: {cut.reason}")

    def _take_end(self, trial: Trial, event: TrialEnded) -> None:
        trial.exit_code = event.exit_code
        if trial.status is TrialStatus.CANCEL_REQUESTED and not event.by_itself:
            self._end(trial, TrialStatus.CANCELED, trial.why)
        elif trial.status is TrialStatus.CANCEL_REQUESTED and event.exit_code == 0:
            # What it logged arrived late: it was through when the decision was taken.
            self._end(trial, TrialStatus.COMPLETED, f"was through before it was {trial.why}")
        elif event.exit_code == 0:
            self._end(trial, TrialStatus.COMPLETED, event.why)
        else:
            self._end(trial, TrialStatus.FAILED, event.why or f"exit code {event.exit_code}")

    def _end(self, trial: Trial, status: TrialStatus, why: str) -> None:
        trial.status, trial.why, trial.ended = status, why, self.backend.now()
        self._alive.pop(trial.index, None)
        if status is TrialStatus.FAILED:
            self.listener.message(f"trial {trial.index} failed: {why}")
        self.listener.trial_changed(trial)

    def _cancel(self, trial: Trial, why: str) -> None:
        trial.status, trial.why = TrialStatus.CANCEL_REQUESTED, why
        self.listener.message(f"trial {trial.index} {why}")
        self.backend.cancel(trial.index)
        self.listener.trial_changed(trial)

    def _enforce_timeouts(self) -> None:
        now, limits = self.backend.now(), self.limits
        expired = limits.timeout is not None and now - self._started >= limits.timeout
        if expired and not self._why and (self._alive or self._has_more):
            self._stop(f"sweep timeout of {limits.timeout} s")
        for trial in self._running:
            if limits.trial_timeout is not None and now - trial.started >= limits.trial_timeout:
                self._cancel(trial, f"canceled: trial timeout of {limits.trial_timeout} s")

    def _stop(self, why: str) -> None:
        if not self._why:
            self._why = why
            self.listener.message(f"sweep canceled: {why}")
        for trial in self._running:
            self._cancel(trial, f"canceled: {why}")

    def _warn(self, text: str | None) -> None:
        if text and not self._warnings:
            self._warnings.append(text)
            self.listener.message(text)
