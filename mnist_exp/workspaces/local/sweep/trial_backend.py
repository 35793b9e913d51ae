"""The tuner's trials as jobs on this machine."""

import selectors
import shutil
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from mnist_exp.errors import OutputsError
from mnist_exp.results import JobResult, MetricPoint
from mnist_exp.specs import SweepJob
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.backend import MetricLogged, TrialEnded, TrialEvent
from mnist_exp.sweeps.history import History
from mnist_exp.sweeps.sampling.algorithms import Parameters
from mnist_exp.sweeps.trial import Trial
from mnist_exp.workspaces.local.jobs.environment import TrackedRun
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.jobs.running_job import RunningJob, Site, TrialOf
from mnist_exp.workspaces.local.jobs.start import start_job
from mnist_exp.workspaces.local.sweep.launching import TrialLauncher
from mnist_exp.workspaces.local.tracking.metric_rows import (
    MetricRow,
    MetricRows,
    StoreWatch,
    have_steps,
)

#: The longest sleep: an interrupt does not wake us, and not every end has a handle.
_NAP_S = 0.1
#: Bytes without which neither a trial nor its sweep can keep anything.
_LEAST_ROOM = 2**20


class Restart:
    """What becomes of the trials that a sweep which goes on finds unfinished.

    One that ended unseen has its exit code; one that has left something in its named outputs goes
    on from there; any other begins again at the beginning. So does one that logs the primary
    metric without steps: nobody could tell what it logs a second time, and that would count twice.

    Args:
        history: What there was before.
        folders: The folder of each unfinished trial.
        primary_metric: What the sweep looks at.
        unheard: What they logged and the history has not.
    """

    def __init__(
        self,
        history: History,
        folders: Mapping[int, JobFolder],
        primary_metric: str,
        unheard: Sequence[MetricRow] = (),
    ) -> None:
        self.history = history
        heard_since: dict[str, list[int]] = defaultdict(list)
        for row in unheard:
            if row.name == primary_metric:
                heard_since[row.run_id].append(row.step)
        steps = {
            trial: [
                *(step for _, step in history.points[trial].get(primary_metric, ())),
                *(heard_since[folder.run_id] if folder.exists else ()),
            ]
            for trial, folder in folders.items()
        }
        codes = {trial: folder.exit_code for trial, folder in folders.items()}
        self.ended = {trial: code for trial, code in codes.items() if code is not None}
        self.kept = tuple(
            trial
            for trial, folder in folders.items()
            if trial in self.ended
            or (folder.exists and folder.has_outputs and have_steps(steps[trial]))
        )
        self.again = tuple(trial for trial in folders if trial not in self.kept)
        #: Those of them that have outputs to go on from.
        self.stepless = tuple(
            trial for trial in self.again if folders[trial].exists and folders[trial].has_outputs
        )


class TrialBackend:
    """Runs the tuner's trials as jobs, and hears what they log from the MLflow store.

    Args:
        job: The sweep.
        site: Where they run.
        run: The sweep's own run, parent of the trials' runs.
        launcher: Starts their processes.
        restart: What there was before, where the sweep goes on.
    """

    def __init__(
        self,
        job: SweepJob,
        site: Site,
        run: TrackedRun,
        launcher: TrialLauncher,
        restart: Restart | None = None,
    ) -> None:
        self.results: dict[int, JobResult] = {}
        self.running: dict[int, RunningJob] = {}
        self.points: dict[int, dict[str, list[MetricPoint]]] = {}
        self._launcher = launcher
        self._site = replace(site, launcher=launcher)
        self._job = job
        self._run = run
        metric = job.objective.primary_metric
        self._restart = restart or Restart(History(), {}, metric)
        store = site.tracking.store
        self._watch = StoreWatch(store)
        self._rows = MetricRows(store)
        self._row = self._rows.last()
        self._trials: dict[str, int] = {}
        self._replayed: dict[int, dict[str, set[int]]] = {}
        self._asked_to_end: set[int] = set()
        self._has_ended: set[int] = set()
        self._has_no_room = False
        if restart:
            self._take_over(restart.history)

    def start(self, trial: int, parameters: Parameters) -> None:
        """Start a trial as a job of its own."""
        again, ended = trial in self._restart.again, self._restart.ended.get(trial)
        running = self._start_job(trial, parameters, again, ended)
        self.running[trial] = running
        self.points.setdefault(trial, {})
        self._trials[running.run.run_id] = trial

    def poll(self, timeout_s: float) -> Sequence[TrialEvent]:
        """Return new metric values and ends, in order of arrival."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._site.interrupts.check()
            events = self._events()
            remaining = deadline - time.monotonic()
            if events or remaining <= 0:
                return events
            self._sleep(min(_NAP_S, remaining))

    def cancel(self, trial: int) -> None:
        """Ask a trial to end; `poll` reports its end."""
        if trial in self.running and self.running[trial].poll() is None:
            self._asked_to_end.add(trial)
            self.running[trial].terminate()

    def now(self) -> float:
        """Return seconds of the monotonic clock."""
        return time.monotonic()

    def finish(self, trial: Trial) -> None:
        """Close a trial that the tuner has taken off its list."""
        running = self.running.pop(trial.index, None)
        if running is not None:
            self._close(trial, running)

    def settle(self, trials: Sequence[Trial]) -> None:
        """Close the trials of a sweep that goes on whose end only the journal had seen."""
        for trial in trials:
            folder = self._folder(trial.index)
            if folder.exists and not JobStatus(folder.description()["status"]).is_finished:
                code = trial.exit_code or 0
                running = self._start_job(trial.index, trial.parameters, again=False, ended=code)
                self._close(trial, running)
        known = [self._folder(trial.index) for trial in trials]
        known += [self._folder(trial) for trial in self._restart.kept]
        known += [self._folder(trial) for trial in self._restart.again]
        ids = {folder.run_id for folder in known if folder.exists}
        self._site.tracking.discard_strays(self._run, ids)

    def close(self) -> None:
        """End whatever still runs: nothing outlives the sweep."""
        for running in self.running.values():
            running.terminate()
        # Each, though the store may refuse what is to be said of one.
        with ExitStack() as stack:
            stack.callback(self._rows.close)
            stack.callback(self._watch.close)
            for trial in self.running:
                stack.callback(self._cancel_with_sweep, trial)

    def _cancel_with_sweep(self, trial: int) -> None:
        running = self.running.pop(trial)
        self.results[trial] = running.close("canceled with its sweep", None, self.points[trial])

    def _take_over(self, history: History) -> None:
        self._row = history.row
        for trial, metrics in history.points.items():
            self.points[trial] = {
                name: [MetricPoint(value, step) for value, step in points]
                for name, points in metrics.items()
            }
        for trial in self._restart.kept:
            # A script that goes on a little before the point at which it was killed logs some
            # values a second time.
            self._replayed[trial] = {
                name: {step for _, step in points}
                for name, points in history.points[trial].items()
                if have_steps([step for _, step in points])
            }

    def _start_job(
        self, trial: int, parameters: Parameters, again: bool, ended: int | None
    ) -> RunningJob:
        name = f"{self._job.name}_{trial}"
        job = replace(self._job.trial, name=name, display_name=name)
        of = TrialOf(self._job.name, self._run.run_id, parameters, begins_again=again)
        return start_job(job, self._site, of, ended)

    def _close(self, trial: Trial, running: RunningJob) -> None:
        is_canceled = trial.status in {JobStatus.CANCELED, JobStatus.CANCEL_REQUESTED}
        why = trial.why if is_canceled else None
        self.results[trial.index] = running.close(why, None, self.points[trial.index])

    def log(self, trial: int) -> Path:
        """Return the console log of a trial."""
        return self._folder(trial).log

    def _folder(self, trial: int) -> JobFolder:
        return JobFolder(self._site.root, f"{self._job.name}_{trial}")

    def _events(self) -> list[TrialEvent]:
        # Looked at before the rows: whatever a process has logged is there once it has ended.
        codes = {
            trial: code
            for trial, running in self.running.items()
            if trial not in self._has_ended and (code := running.poll()) is not None
        }
        self._look_for_room(
            [trial for trial, code in codes.items() if code and not self._was_asked(trial)]
        )
        self._has_ended |= set(codes)
        events: list[TrialEvent] = []
        if self._watch.has_changed() or codes:
            events += filter(None, map(self._value, self._rows.after(self._row)))
        by_itself = {trial: not self._was_asked(trial) for trial in codes}
        return events + [
            TrialEnded(
                trial,
                code,
                self.running[trial].failure(code) if code and by_itself[trial] else "",
                by_itself=by_itself[trial],
            )
            for trial, code in codes.items()
        ]

    def _was_asked(self, trial: int) -> bool:
        return trial in self._asked_to_end

    def _look_for_room(self, failed: Sequence[int]) -> None:
        """See that trials which have failed did so of themselves, and not over a full disk.

        Raises:
            OutputsError: For once: whoever ends the sweep then has to hear of its trials.
        """
        if self._has_no_room or not failed:
            return
        room = shutil.disk_usage(self._site.root).free
        if room >= _LEAST_ROOM:
            return
        self._has_no_room = True
        for trial in failed:
            # It has to run again.
            self._folder(trial).forget_exit_code()
        raise OutputsError(
            f"outputs_dir: {self._site.root.parent} has {room} bytes left, and a trial has failed; "
            "free space, then go on with the sweep"
        )

    def _value(self, row: MetricRow) -> MetricLogged | None:
        """Take in a row of the store; None when it is nothing new, or none of our trials'."""
        self._row = row.row
        trial = self._trials.get(row.run_id)
        if trial is None or trial not in self.running:
            return None
        steps = self._replayed.get(trial, {}).get(row.name)
        if steps is not None:
            if row.step in steps:
                return None
            steps.add(row.step)
        point = MetricPoint(row.value, row.step)
        self.points[trial].setdefault(row.name, []).append(point)
        return MetricLogged(trial, row.name, row.value, row.step, row.row)

    def _sleep(self, seconds: float) -> None:
        """Sleep until the store changes, a trial ends or the time is over."""
        handles = [*self._watch.handles, *self._launcher.handles]
        for running in self.running.values():
            handles += running.handles
        # Without news of the store its file is looked at, often enough for any policy.
        nap = seconds if self._watch.handles else min(seconds, 0.02)
        with selectors.DefaultSelector() as selector:
            for handle in handles:
                with suppress(ValueError, KeyError, OSError):
                    selector.register(handle, selectors.EVENT_READ)
            selector.select(nap)
