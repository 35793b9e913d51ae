"""The loop of a sweep: starts trials, listens to them, ends those that fall behind.

It knows no process: a `Backend` runs trials, and every decision follows from the events that it
reports and the time at which they arrive.
"""

import time
from dataclasses import dataclass, field, replace

from mnist_exp.errors import JobError
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.backend import Backend, Listener, MetricLogged, TrialEnded, TrialEvent
from mnist_exp.sweeps.history import History
from mnist_exp.sweeps.journal import (
    NO_JOURNAL,
    Decided,
    Ended,
    Entry,
    Finished,
    Interrupted,
    Journal,
    Logged,
    Sampled,
    Started,
)
from mnist_exp.sweeps.limits import Limits
from mnist_exp.sweeps.ranking import Objective
from mnist_exp.sweeps.sampling.algorithms import Configurations, Learner
from mnist_exp.sweeps.stopping.policy import Policy
from mnist_exp.sweeps.trial import SweepResult, Trial, summarize

# The longest wait for an event: interrupts and clocks get their turn.
_POLL_S = 1.0
# How long canceled trials get to be gone when the sweep itself has to leave.
_GRACE_S = 60.0


@dataclass
class Tuner:
    """Runs one sweep by the limits and policies of Azure ML.

    https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters

    A trial keeps its slot until its process is gone, and the slot is filled again at once. The
    sweep's timeout counts the time that commands have spent on it, a trial's from its start.

    Attributes:
        policy: Early termination; None lets every trial run to its end.
        journal: Is told of everything before anyone else is.
        history: What the journal of a sweep that goes on has.
        fail_fast: Whether a trial that fails ends the sweep.
        learner: Is told what came of each trial.
        fail_on_failed_trials: Whether a trial that has failed makes the sweep Failed at its end.
    """

    configurations: Configurations
    limits: Limits
    objective: Objective
    policy: Policy | None
    backend: Backend
    listener: Listener
    journal: Journal = NO_JOURNAL
    history: History | None = None
    fail_fast: bool = False
    learner: Learner | None = None
    fail_on_failed_trials: bool = False
    _trials: list[Trial] = field(default_factory=list, init=False)
    _alive: dict[int, Trial] = field(default_factory=dict, init=False)
    _logged: set[str] = field(default_factory=set, init=False)
    _warnings: list[str] = field(default_factory=list, init=False)
    _started: float = field(default=0.0, init=False)
    _exhausted: bool = field(default=False, init=False)
    _why: str = field(default="", init=False)
    _is_interrupted: bool = field(default=False, init=False)
    _has_failed_fast: bool = field(default=False, init=False)

    def run(self) -> SweepResult:
        """See the sweep through.

        Whatever breaks into it, Ctrl-C or an error of backend or listener, cancels the running
        trials and is raised again; `result` then tells what there is.
        """
        self._started = self.backend.now()
        if self.history and self.history.finished:
            return self._look_back(self.history, self.history.finished)
        try:
            if self.history:
                self._go_on(self.history)
            self._loop()
        except KeyboardInterrupt:
            self.cancel_all("interrupted")
            raise
        except BaseException as error:
            self.cancel_all(f"stopped by {type(error).__name__}")
            raise
        result = self.result()
        self._note(Finished(result.status.value, result.best, result.why))
        return result

    def result(self) -> SweepResult:
        """Return how the sweep stands, at any time."""
        found = summarize(
            self._trials,
            self.objective,
            self._logged,
            self._why,
            fails_with_one=self.fail_on_failed_trials,
        )
        if self._has_failed_fast and found.status.is_finished:
            found = replace(found, status=JobStatus.FAILED)
        return replace(found, warnings=(*self._warnings, *found.warnings))

    def cancel_all(self, why: str) -> None:
        """Cancel the running trials, start no more, and wait until all are gone.

        In the journal they have not ended: a sweep that is left in this way can be gone on with.
        Trials that are still there after a minute, or at a second interrupt, are recorded as
        Canceled nonetheless.
        """
        try:
            if not self._is_interrupted:
                self._is_interrupted = True
                self._note(Interrupted(why))
            self._stop(why)
            deadline = self.backend.now() + _GRACE_S
            while self._alive and self.backend.now() < deadline:
                self._take_events(_POLL_S)
        finally:
            for trial in list(self._alive.values()):
                self._end(trial, JobStatus.CANCELED, why)

    @property
    def _running(self) -> list[Trial]:
        return [one for one in self._alive.values() if one.status is JobStatus.RUNNING]

    @property
    def _has_more(self) -> bool:
        return (
            not self._why
            and not self._exhausted
            and len(self._trials) < self.limits.max_total_trials
        )

    def _loop(self) -> None:
        while True:
            self._expire()
            self._refill()
            if not self._alive:
                return
            self._take_events(self._patience())

    def _refill(self) -> None:
        while self._has_more and len(self._alive) < self.limits.max_concurrent_trials:
            self._start(len(self._trials))

    def _go_on(self, history: History) -> None:
        """Take over what there was, and start again what had not ended."""
        self._started -= history.elapsed
        # The journal has the time of day, the backend a clock of its own.
        history.shift_clock(self.backend.now() - time.time())
        self._trials = history.trials
        self._logged |= history.logged
        # The last command may have been killed in between.
        self._fail_fast()
        self._expire()
        for trial in self._trials:
            if trial.status is JobStatus.CANCEL_REQUESTED:
                # The decision stands; nobody was left to see what came of it.
                self._end(trial, JobStatus.CANCELED, trial.why)
            elif self._why and not trial.status.is_finished:
                why = f"canceled: {self._why}"
                self._note(Decided(trial.index, None, why))
                trial.decided = True
                self._end(trial, JobStatus.CANCELED, why)
            elif not trial.status.is_finished:
                self._launch(trial)

    def _look_back(self, history: History, finished: Finished) -> SweepResult:
        """Take over a sweep that has ended: nothing is started, nor noted again."""
        self._trials, self._logged, self._why = history.trials, history.logged, finished.why
        self._has_failed_fast = self.fail_fast and finished.status == JobStatus.FAILED
        return self.result()

    def _start(self, index: int) -> None:
        try:
            parameters = self.configurations[index]
        except IndexError:
            self._exhausted = True
            self.listener.message("the search space has no further configuration")
            return
        trial = Trial(index, parameters, self.backend.now())
        self._trials.append(trial)
        self._note(Sampled(index, parameters))
        self._launch(trial)

    def _launch(self, trial: Trial) -> None:
        try:
            self.backend.start(trial.index, trial.parameters)
        except JobError as error:
            self._end(trial, JobStatus.FAILED, str(error))
            return
        trial.started = self.backend.now()
        self._alive[trial.index] = trial
        self._note(Started(trial.index))
        self.listener.trial_changed(trial)

    def _patience(self) -> float:
        """Return how long nothing needs to be done, whatever the trials do."""
        now = self.backend.now()
        waits = [self.limits.trial_left(now - trial.started) for trial in self._running]
        if not self._why:
            waits.append(self.limits.left(now - self._started))
        return max(0.0, min([_POLL_S, *waits]))

    def _take_events(self, timeout_s: float) -> None:
        for event in self.backend.poll(timeout_s):
            self._take(event)

    def _take(self, event: TrialEvent) -> None:
        trial = self._trials[event.trial]
        if isinstance(event, TrialEnded):
            trial.exit_code = event.exit_code
            self._end(trial, *event.outcome(trial))
            return
        self._note(Logged(event.trial, event.name, event.value, event.step, event.row))
        self._logged.add(event.name)
        if event.name == self.objective.primary_metric:
            self._take_value(trial, event)

    def _take_value(self, trial: Trial, event: MetricLogged) -> None:
        # What a trial logs while it is being ended still counts for its best value.
        trial.values.append(event.value)
        self.listener.trial_changed(trial)
        if self.policy is None or trial.status is not JobStatus.RUNNING:
            return
        self._warn(self.policy.caution(event.value))
        histories = {other.index: other.values for other in self._trials}
        cut = self.policy.decide(trial.index, len(trial.values), histories, self.objective.goal)
        if cut:
            trial.cut, trial.decided = cut, True
            self._note(Decided(trial.index, cut.interval, cut.reason))
            self._cancel(trial, f"cut at interval {cut.interval}: {cut.reason}")

    def _end(self, trial: Trial, status: JobStatus, why: str) -> None:
        trial.status, trial.why, trial.ended = status, why, self.backend.now()
        self._alive.pop(trial.index, None)
        if not self._is_for_now(trial):
            self._note(Ended(trial.index, status.value, trial.exit_code, why))
            if self.learner:
                self.learner.tell(trial.index, trial.best(self.objective.goal))
        if status is JobStatus.FAILED:
            self.listener.message(f"trial {trial.index} failed: {why}")
        self.listener.trial_changed(trial)
        self._fail_fast()

    def _is_for_now(self, trial: Trial) -> bool:
        """Whether a trial has ended because the command had to leave, or of what made it leave.

        A disk that is full fails trials too; what fails of itself fails again.
        """
        is_in_question = trial.status in {JobStatus.CANCELED, JobStatus.FAILED}
        return self._is_interrupted and is_in_question and not trial.decided

    def _cancel(self, trial: Trial, why: str) -> None:
        trial.status, trial.why = JobStatus.CANCEL_REQUESTED, why
        self.listener.message(f"trial {trial.index} {why}")
        self.backend.cancel(trial.index)
        self.listener.trial_changed(trial)

    def _fail_fast(self) -> None:
        """Stop the sweep where that is asked for, and a trial has failed."""
        if self._why or not self.fail_fast:
            return
        failed = next((one for one in self._trials if one.status is JobStatus.FAILED), None)
        if failed:
            self._has_failed_fast = True
            self._stop(f"trial {failed.index} failed ({failed.why}), and sweep.fail_fast is set")

    def _expire(self) -> None:
        """Stop what has used up its time: the sweep, where something is left to do, and trials."""
        now, limits = self.backend.now(), self.limits
        is_left = self._has_more or any(not one.status.is_finished for one in self._trials)
        if is_left and not self._why and limits.left(now - self._started) <= 0:
            self._stop(f"sweep timeout of {limits.timeout} s")
        for trial in self._running:
            if limits.trial_left(now - trial.started) <= 0:
                self._decide(trial, f"canceled: trial timeout of {limits.trial_timeout} s")

    def _stop(self, why: str) -> None:
        if not self._why:
            self._why = why
            self.listener.message(f"sweep canceled: {why}")
        for trial in self._running:
            if self._is_interrupted:
                self._cancel(trial, f"canceled: {why}")
            else:
                self._decide(trial, f"canceled: {why}")

    def _decide(self, trial: Trial, why: str) -> None:
        self._note(Decided(trial.index, None, why))
        trial.decided = True
        self._cancel(trial, why)

    def _note(self, entry: Entry) -> None:
        self.journal.append(replace(entry, at=time.time()))

    def _warn(self, text: str | None) -> None:
        if text and not self._warnings:
            self._warnings.append(text)
            self.listener.message(f"warning: {text}")
