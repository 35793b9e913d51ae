"""The tuner's backend on this machine, which runs each trial as a job."""

import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from textwrap import shorten

from mnist_exp.errors import OutputsError
from mnist_exp.metrics import MetricPoint
from mnist_exp.results import JobResult
from mnist_exp.specs import SweepJob
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.backend import TrialEnded, TrialEvent
from mnist_exp.sweeps.sampling.algorithms import Parameters
from mnist_exp.sweeps.trial import Trial
from mnist_exp.workspaces.local.jobs.environment import TrackedRun
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.jobs.host import JobHost, TrialContext
from mnist_exp.workspaces.local.jobs.inputs import SharedInputs
from mnist_exp.workspaces.local.jobs.launching import JobLauncher
from mnist_exp.workspaces.local.jobs.running_job import RunningJob
from mnist_exp.workspaces.local.jobs.start import start_job
from mnist_exp.workspaces.local.processes.workers import wait_for_any
from mnist_exp.workspaces.local.sweep.resume_plan import ResumePlan
from mnist_exp.workspaces.local.tracking.database import MetricReader

#: Seconds between two queries for new values. The wait is shorter if a trial ends meanwhile.
_POLL_S = 0.02
#: A disk with fewer free bytes than this number counts as full.
_MIN_FREE = 2**20
#: Maximum number of characters of the name of a trial's MLflow run.
_LONGEST_NAME = 100


class TrialBackend:
    """A backend that runs trials as jobs, and reads their metrics from the MLflow store.

    Args:
        job: The sweep.
        host: The context of local jobs.
        run: The sweep's MLflow run, which is the parent of the trials' runs.
        launcher: Starts the processes of the trials.
        plan: The plan that says which unfinished trials resume and which restart. The plan of a
            new sweep is empty.
    """

    def __init__(
        self,
        job: SweepJob,
        host: JobHost,
        run: TrackedRun,
        launcher: JobLauncher,
        plan: ResumePlan,
    ) -> None:
        #: Index -> result of each trial whose job has been closed.
        self.results: dict[int, JobResult] = {}
        #: The folder of the sweep.
        self.folder = JobFolder(host.root, job.name).path
        self._job = job
        self._run = run
        self._launcher = launcher
        self._plan = plan
        self._inputs = SharedInputs(JobFolder(host.root, job.name).inputs)
        self._host = replace(host, launcher=launcher, inputs=self._inputs)
        self._reader = MetricReader(host.tracking.store, plan.row)
        self._running: dict[int, RunningJob] = {}
        self._runs: dict[str, int] = {}
        self._asked_to_end: set[int] = set()
        self._has_ended: set[int] = set()
        self._is_disk_full = False
        self._known_steps = {key: set(steps) for key, steps in plan.known_steps.items()}

    def start(self, trial: int, parameters: Parameters) -> None:
        """Start a trial as a job."""
        running = self._start_job(trial, parameters, self._plan.ended.get(trial))
        self._running[trial] = running
        self._runs[running.run.run_id] = trial

    def poll(self, timeout_s: float) -> Sequence[TrialEvent]:
        """Return the events since the last call: first new points, then trials that have ended."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._host.interrupts.check()
            events = self._events()
            remaining = deadline - time.monotonic()
            if events or remaining <= 0:
                return events
            handles = [one for running in self._running.values() for one in running.handles]
            wait_for_any(handles, min(_POLL_S, remaining))

    def cancel(self, trial: int) -> None:
        """Ask a trial to end; `poll` reports when the trial has ended."""
        if trial in self._running and self._running[trial].poll() is None:
            self._asked_to_end.add(trial)
            self._running[trial].terminate()

    def finish(self, trial: Trial) -> None:
        """Close the job of a trial that has ended."""
        running = self._running.pop(trial.index, None)
        if running is not None:
            del self._runs[running.run.run_id]
            self._close(trial, running)

    def now(self) -> float:
        """Return the time of the monotonic clock, in seconds."""
        return time.monotonic()

    def log(self, trial: int) -> Path:
        """Return the path of a trial's console log."""
        return self._folder(trial).log

    def close_ended(self, trials: Sequence[Trial]) -> None:
        """Close the jobs that an earlier, killed command did not close.

        Also delete the MLflow runs that a killed command created before it wrote job.json.

        Args:
            trials: The trials of a resumed sweep that do not run again.
        """
        for trial in trials:
            folder = self._folder(trial.index)
            if folder.exists and not JobStatus(folder.description("status")["status"]).is_finished:
                code = trial.exit_code or 0
                self._close(trial, self._start_job(trial.index, trial.parameters, code))
        indices = [*(trial.index for trial in trials), *self._plan.resumed, *self._plan.restarted]
        folders = [self._folder(index) for index in indices]
        ids = {folder.run_id for folder in folders if folder.exists}
        self._host.tracking.delete_unrecorded_runs(self._run, ids)

    def close(self) -> None:
        """End every trial that still runs, and delete the copies of inputs that trials share."""
        for running in self._running.values():
            running.terminate()
        # The stack calls every function, even if the MLflow store fails for one of the trials.
        with ExitStack() as stack:
            stack.callback(self._inputs.close)
            stack.callback(self._reader.close)
            for trial in self._running:
                stack.callback(self._cancel_with_sweep, trial)

    def _cancel_with_sweep(self, trial: int) -> None:
        self.results[trial] = self._running.pop(trial).close(
            "canceled, because the sweep was canceled"
        )

    def _start_job(self, trial: int, parameters: Parameters, ended: int | None) -> RunningJob:
        name = f"{self._job.name}_{trial}"
        run_name = _run_name(trial, parameters)
        job = replace(self._job.trial, name=name, display_name=name, run_name=run_name)
        restarts = trial in self._plan.restarted
        context = TrialContext(self._job.name, self._run.run_id, parameters, restarts)
        return start_job(job, self._host, context, ended)

    def _close(self, trial: Trial, running: RunningJob) -> None:
        is_canceled = trial.status in {JobStatus.CANCELED, JobStatus.CANCEL_REQUESTED}
        self.results[trial.index] = running.close(trial.why if is_canceled else None)

    def _folder(self, trial: int) -> JobFolder:
        return JobFolder(self._host.root, f"{self._job.name}_{trial}")

    def _events(self) -> list[TrialEvent]:
        # First find the trials that have ended, then read the values. In the other order, a trial
        # could log its last value after the reading and then end. This value would be lost.
        codes = {
            trial: code
            for trial, running in self._running.items()
            if trial not in self._has_ended and (code := running.poll()) is not None
        }
        by_itself = {trial: trial not in self._asked_to_end for trial in codes}
        failed = [trial for trial, code in codes.items() if code and by_itself[trial]]
        self._check_disk(failed)
        self._has_ended |= set(codes)
        points = [point for point in self._reader.read(self._runs) if self._is_new(point)]
        whys = {trial: self._running[trial].failure(codes[trial]) for trial in failed}
        ends = [
            TrialEnded(trial, code, whys.get(trial, ""), by_itself=by_itself[trial])
            for trial, code in codes.items()
        ]
        return [*points, *ends]

    def _check_disk(self, failed: Sequence[int]) -> None:
        """Check that the disk is not full, if trials have failed.

        Raises:
            OutputsError: The disk is full. This method raises the error only once, because the
                tuner still calls `poll` while it stops the sweep.
        """
        if self._is_disk_full or not failed:
            return
        free = shutil.disk_usage(self._host.root).free
        if free >= _MIN_FREE:
            return
        self._is_disk_full = True
        for trial in failed:
            # Without an exit code, the trial counts as not ended and runs again when the sweep
            # resumes.
            self._folder(trial).forget_exit_code()
        raise OutputsError(
            f"outputs_dir: a trial has failed, and the disk of {self._host.root.parent} has only "
            f"{free} bytes left; delete files on this disk, then resume the sweep"
        )

    def _is_new(self, point: MetricPoint) -> bool:
        """Return whether a point is new. A trial that resumes may log some steps a second time."""
        steps = self._known_steps.get((point.trial, point.name))
        if steps is None:
            return True
        is_new = point.step not in steps
        steps.add(point.step)
        return is_new


def _run_name(trial: int, parameters: Parameters) -> str:
    """Return the name of a trial's MLflow run: its number and the drawn values.

    MLflow's table has columns for the names of the parameters, and shows only the first 17
    characters of a run's name.
    """
    texts = (f"{value:.4g}" if isinstance(value, float) else value for value in parameters.values())
    return shorten(f"{trial}: {', '.join(map(str, texts))}", _LONGEST_NAME, placeholder="...")
