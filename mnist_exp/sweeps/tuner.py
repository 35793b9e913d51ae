"""The main loop of a sweep: start trials, receive their metrics, and end trials early.

The tuner itself starts no process: a `Backend` runs the trials. Every decision depends only on the
events that the backend reports, and on the times at which the events arrive.
"""

import time
from dataclasses import dataclass, field, replace

from mnist_exp.errors import JobError
from mnist_exp.metrics import MetricPoint
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.backend import Backend, Listener, TrialEnded, TrialEvent
from mnist_exp.sweeps.journal import (
    Decided,
    Ended,
    Entry,
    Finished,
    History,
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
from mnist_exp.sweeps.summary import SweepResult, summarize
from mnist_exp.sweeps.trial import Trial

#: Maximum seconds to wait for an event. After each wait the tuner checks the timeouts.
_POLL_S = 1.0
#: Maximum seconds to wait for canceled trials when an interrupt or an error stops the command.
_GRACE_S = 60.0


@dataclass(kw_only=True)
class Tuner:
    """A runner for one sweep, with the limits and policies of Azure ML.

    https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters

    A trial counts towards max_concurrent_trials until its process has ended. Then the next trial
    starts immediately. The sweep's timeout applies to the total time of all commands that run the
    sweep. The trial timeout applies to the time since the start of the trial.

    A trial may log values after the decision to end the trial. The journal and the result contain
    these values, but the values do not count: their number depends on the speed of the machine.

    Attributes:
        policy: The early-termination policy, which cuts trials with bad values; None for no policy.
        journal: The journal, which receives every event before the listener does.
        history: The state of the sweep from the journal; None for a new sweep.
        learner: The sampler that receives the result of each trial; None if the sampling does not
            depend on results.
        fail_fast: Whether the first failed trial stops the sweep.
        fail_on_failed_trials: Whether a single failed trial makes the final status Failed.
    """

    configurations: Configurations
    limits: Limits
    objective: Objective
    backend: Backend
    listener: Listener
    policy: Policy | None = None
    journal: Journal | None = None
    history: History | None = None
    learner: Learner | None = None
    fail_fast: bool = False
    fail_on_failed_trials: bool = False
    _trials: list[Trial] = field(default_factory=list, init=False)
    _alive: dict[int, Trial] = field(default_factory=dict, init=False)
    _warning: str = field(default="", init=False)
    _started: float = field(default=0.0, init=False)
    _is_exhausted: bool = field(default=False, init=False)
    _why: str = field(default="", init=False)
    _is_interrupted: bool = field(default=False, init=False)
    _has_failed_fast: bool = field(default=False, init=False)

    def run(self) -> SweepResult:
        """Run the sweep until all trials have ended, and return the result.

        If the user presses Ctrl-C, or if the backend or the listener raises an error, cancel the
        running trials and raise the exception again. The caller can then get the state of the sweep
        from the method `result`.
        """
        self._started = self.backend.now()
        if self.history and self.history.finished:
            return self._finished_before(self.history, self.history.finished)
        try:
            if self.history:
                self._resume(self.history)
            self._loop()
        except KeyboardInterrupt:
            self.cancel_all("interrupted")
            raise
        except BaseException as error:
            self.cancel_all(f"stopped by {type(error).__name__}")
            raise
        result = self.result()
        self._write(Finished(result.status.value, result.best, result.why))
        return result

    def result(self) -> SweepResult:
        """Return the current result of the sweep."""
        found = summarize(
            self._trials, self.objective, self._why, one_failure_fails=self.fail_on_failed_trials
        )
        if self._has_failed_fast and found.status.is_finished:
            found = replace(found, status=JobStatus.FAILED)
        warnings = [self._warning] if self._warning else []
        return replace(found, warnings=(*warnings, *found.warnings))

    def cancel_all(self, why: str) -> None:
        """Cancel the running trials, start no further trials, and wait until all trials have ended.

        The journal does not record the canceled trials as ended, so that they can resume later. The
        wait ends after at most a minute, or when the user presses Ctrl-C again. Trials that still
        run after the wait are reported as Canceled.
        """
        try:
            if not self._is_interrupted:
                self._is_interrupted = True
                self._write(Interrupted(why))
            self._stop(why)
            deadline = self.backend.now() + _GRACE_S
            while self._alive and self.backend.now() < deadline:
                self._handle_events(_POLL_S)
        finally:
            for trial in list(self._alive.values()):
                self._end(trial, JobStatus.CANCELED, trial.why if trial.end_decided else why)

    @property
    def _running(self) -> list[Trial]:
        return [trial for trial in self._alive.values() if trial.status is JobStatus.RUNNING]

    @property
    def _has_more(self) -> bool:
        """Whether further trials will be started."""
        return (
            not self._why
            and not self._is_exhausted
            and len(self._trials) < self.limits.max_total_trials
        )

    def _loop(self) -> None:
        while True:
            self._apply_timeouts()
            while self._has_more and len(self._alive) < self.limits.max_concurrent_trials:
                self._start_next()
            if not self._alive:
                return
            self._handle_events(self._time_to_next_timeout())

    def _resume(self, history: History) -> None:
        """Add the trials from the journal, and start the trials that had not ended."""
        self._started -= history.elapsed
        # The times in the journal are in seconds since 1970. The backend has a different clock.
        history.shift_clock(self.backend.now() - time.time())
        self._trials = history.trials
        # The last command may have been killed before it applied fail_fast and the timeouts.
        self._apply_fail_fast()
        self._apply_timeouts()
        for trial in self._trials:
            if trial.status is JobStatus.CANCEL_REQUESTED:
                # The last command decided to end the trial, and was killed before the trial ended.
                self._end(trial, JobStatus.CANCELED, trial.why)
            elif self._why and not trial.status.is_finished:
                why = f"canceled: {self._why}"
                self._write_decision(trial, why)
                self._end(trial, JobStatus.CANCELED, why)
            elif not trial.status.is_finished:
                self._launch(trial)

    def _finished_before(self, history: History, finished: Finished) -> SweepResult:
        """Return the result of a sweep that has ended. Start no trial and write no entry."""
        self._trials, self._why = history.trials, finished.why
        self._has_failed_fast = self.fail_fast and finished.status == JobStatus.FAILED
        return self.result()

    def _start_next(self) -> None:
        index = len(self._trials)
        try:
            parameters = self.configurations[index]
        except IndexError:
            self._is_exhausted = True
            self.listener.message("the search space has no further configuration")
            return
        trial = Trial(index, parameters, self.backend.now())
        self._trials.append(trial)
        self._write(Sampled(index, parameters))
        self._launch(trial)

    def _launch(self, trial: Trial) -> None:
        try:
            self.backend.start(trial.index, trial.parameters)
        except JobError as error:
            self._end(trial, JobStatus.FAILED, str(error))
            return
        trial.started = self.backend.now()
        self._alive[trial.index] = trial
        self._write(Started(trial.index))
        self.listener.trial_changed(trial)

    def _time_to_next_timeout(self) -> float:
        now = self.backend.now()
        waits = [self.limits.trial_left(now - trial.started) for trial in self._running]
        if not self._why:
            waits.append(self.limits.left(now - self._started))
        return max(0.0, min([_POLL_S, *waits]))

    def _handle_events(self, timeout_s: float) -> None:
        for event in self.backend.poll(timeout_s):
            self._handle(event)

    def _handle(self, event: TrialEvent) -> None:
        trial = self._trials[event.trial]
        if isinstance(event, TrialEnded):
            trial.exit_code = event.exit_code
            self._end(trial, *event.outcome(trial))
            return
        self._write(Logged(event))
        trial.record(event, self.objective.primary_metric)
        if event.name == self.objective.primary_metric:
            self.listener.trial_changed(trial)
            self._apply_policy(trial, event)

    def _apply_policy(self, trial: Trial, point: MetricPoint) -> None:
        # After an interrupt, a trial may log values until its process has ended. The policy decides
        # on these values too. A resumed sweep then has the same decisions as an undisturbed sweep.
        if self.policy is None or trial.end_decided or trial.status.is_finished:
            return
        caution = self.policy.caution(point.value)
        if caution and not self._warning:
            self._warning = caution
            self.listener.message(f"warning: {caution}")
        histories = {other.index: other.values for other in self._trials}
        cut = self.policy.decide(trial.index, len(trial.values), histories, self.objective.goal)
        if cut:
            trial.cut, trial.end_decided = cut, True
            self._write(Decided(trial.index, cut.interval, cut.reason))
            self._cancel(trial, cut.text)

    def _end(self, trial: Trial, status: JobStatus, why: str) -> None:
        is_new = all(why != other.why for other in self._trials)
        trial.status, trial.why, trial.ended = status, why, self.backend.now()
        self._alive.pop(trial.index, None)
        if not self._ends_for_now(trial):
            self._write(Ended(trial.index, status.value, trial.exit_code, why))
            if self.learner:
                self.learner.tell(trial.index, trial.best(self.objective.goal))
        if status is JobStatus.FAILED and is_new:
            self.listener.message(f"trial {trial.index} failed: {why}")
        self.backend.finish(trial)
        self.listener.trial_changed(trial)
        self._apply_fail_fast()

    def _ends_for_now(self, trial: Trial) -> bool:
        """Return whether a trial ended only because the command stops, and can resume later.

        A failed trial can resume too. A full disk, for example, stops the command and also makes
        trials fail. A trial that failed for another reason also resumes, and fails again.
        """
        may_resume = trial.status in {JobStatus.CANCELED, JobStatus.FAILED}
        return self._is_interrupted and may_resume and not trial.end_decided

    def _cancel(self, trial: Trial, why: str) -> None:
        is_requested = trial.status is JobStatus.CANCEL_REQUESTED
        trial.status, trial.why = JobStatus.CANCEL_REQUESTED, why
        self.listener.message(f"trial {trial.index} {why}")
        if not is_requested:
            self.backend.cancel(trial.index)
        self.listener.trial_changed(trial)

    def _apply_fail_fast(self) -> None:
        """Stop the sweep if `fail_fast` is set and a trial has failed."""
        if self._why or not self.fail_fast:
            return
        failed = next((trial for trial in self._trials if trial.status is JobStatus.FAILED), None)
        if failed:
            self._has_failed_fast = True
            self._stop(f"trial {failed.index} failed ({failed.why}), and sweep.fail_fast is set")

    def _apply_timeouts(self) -> None:
        """Stop the sweep after the sweep's timeout; cancel trials after the trial timeout."""
        now, limits = self.backend.now(), self.limits
        has_work = self._has_more or any(not trial.status.is_finished for trial in self._trials)
        # If all trials have ended and no trial is left to start, the timeout has no effect.
        if has_work and not self._why and limits.left(now - self._started) <= 0:
            self._stop(f"sweep timeout of {limits.timeout} s")
        for trial in self._running:
            if limits.trial_left(now - trial.started) <= 0:
                why = f"canceled: trial timeout of {limits.trial_timeout} s"
                self._write_decision(trial, why)
                self._cancel(trial, why)

    def _stop(self, why: str) -> None:
        """Cancel the running trials, and start no further trials."""
        if not self._why:
            self._why = why
            self.listener.message(f"sweep canceled: {why}")
        for trial in self._running:
            if not self._is_interrupted:
                self._write_decision(trial, f"canceled: {why}")
            self._cancel(trial, f"canceled: {why}")

    def _write_decision(self, trial: Trial, why: str) -> None:
        self._write(Decided(trial.index, None, why))
        trial.end_decided = True

    def _write(self, entry: Entry) -> None:
        if self.journal:
            self.journal.append(replace(entry, at=time.time()))
