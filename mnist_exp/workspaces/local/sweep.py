"""A sweep on this machine: the tuner's trials as jobs, the sweep as their parent run in MLflow."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mnist_exp.specs import SweepJob
from mnist_exp.sweeps.backend import MetricLogged, TrialEnded, TrialEvent
from mnist_exp.sweeps.drawing import configurations
from mnist_exp.sweeps.sampling import Parameters, with_seed
from mnist_exp.sweeps.trial import SweepResult, Trial, TrialStatus
from mnist_exp.sweeps.tuner import Tuner
from mnist_exp.workspaces.base import JobResult, JobStatus, MetricPoint, Observer, TrialResult
from mnist_exp.workspaces.local.environment import TrackedRun
from mnist_exp.workspaces.local.folders import JobFolder
from mnist_exp.workspaces.local.jobs import RunningJob, Site, TrialOf, start_job
from mnist_exp.workspaces.local.tracking import Tracking

__all__ = ["run_sweep"]

#: Seconds between two looks at the metrics of running trials.
POLL_S = 0.1


def run_sweep(job: SweepJob, site: Site) -> JobResult:
    """Run a sweep to its end.

    Args:
        job: The sweep.
        site: Where it runs; trials are jobs named `<sweep>_<index>`, with runs nested in its own.

    Raises:
        KeyboardInterrupt: The user stopped it; all trials have ended and are recorded.
    """
    folder = JobFolder(site.root, job.name)
    folder.path.mkdir(parents=True)
    tags = {"azureml.job": job.name, "azureml.runType": "sweep"}
    run = site.tracking.start(job.trial.experiment_name, job.name, folder.path, tags)
    folder.describe({"name": job.name, "mlflow_run_id": run.run_id})
    backend = TrialBackend(job, site, run)
    listener = _Listener(job, backend, site.observer)
    tuner = Tuner(
        configurations(job.search_space, with_seed(job.sampling)),
        job.limits,
        job.objective,
        job.early_termination,
        backend,
        listener,
    )
    listener.tuner = tuner
    try:
        tuner.run()
    finally:
        backend.close()
        result = _job_result(job, folder, tuner.result(), backend)
        _track_end(result, run, site.tracking, job)
    site.observer.job_changed(result)
    return result


class TrialBackend:
    """Runs the tuner's trials as jobs, and reads what they log from the MLflow store.

    Args:
        job: The sweep.
        site: Where they run.
        run: The sweep's own run, parent of the trials' runs.
    """

    def __init__(self, job: SweepJob, site: Site, run: TrackedRun) -> None:
        self.results: dict[int, JobResult] = {}
        self.running: dict[int, RunningJob] = {}
        self._job = job
        self._site = site
        self._run = run
        self._seen: dict[tuple[int, str], int] = {}
        self._asked_to_end: set[int] = set()

    def start(self, trial: int, parameters: Parameters) -> None:
        """Start a trial as a job of its own."""
        name = f"{self._job.name}_{trial}"
        self.running[trial] = start_job(
            replace(self._job.trial, name=name, display_name=name),
            self._site,
            TrialOf(self._job.name, self._run.run_id, parameters),
        )

    def poll(self, timeout_s: float) -> Sequence[TrialEvent]:
        """Return new metric values and ends, in order of arrival for each trial."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._site.interrupts.check()
            events = [event for trial in list(self.running) for event in self._look(trial)]
            remaining = deadline - time.monotonic()
            if events or remaining <= 0:
                return events
            time.sleep(min(POLL_S, remaining))

    def cancel(self, trial: int) -> None:
        """Ask a trial to end; `poll` reports its end."""
        if trial in self.running and self.running[trial].poll() is None:
            self._asked_to_end.add(trial)
            self.running[trial].terminate()

    def now(self) -> float:
        """Return seconds of the monotonic clock."""
        return time.monotonic()

    def close(self) -> None:
        """End whatever still runs: nothing outlives the sweep."""
        for trial, running in list(self.running.items()):
            running.terminate()
            self.results[trial] = running.close("canceled with its sweep")
            del self.running[trial]

    def _look(self, trial: int) -> list[TrialEvent]:
        running = self.running[trial]
        # Looked at before the metrics: whatever a process has logged is there once it has ended.
        code = running.poll()
        primary = self._job.objective.primary_metric
        if code is None:
            return self._new_values(trial, primary, running.history(primary))
        histories = running.histories()
        events = [
            event
            for name, points in histories.items()
            for event in self._new_values(trial, name, points)
        ]
        return [*events, TrialEnded(trial, code, by_itself=trial not in self._asked_to_end)]

    def _new_values(self, trial: int, name: str, points: Sequence[MetricPoint]) -> list[TrialEvent]:
        seen = self._seen.get((trial, name), 0)
        self._seen[trial, name] = len(points)
        return [MetricLogged(trial, name, point.value) for point in points[seen:]]

    def finish(self, trial: Trial) -> None:
        """Close a trial that the tuner has taken off its list."""
        running = self.running.pop(trial.index, None)
        if running is None:
            return
        why = trial.why if trial.status is TrialStatus.CANCELED else None
        self.results[trial.index] = running.close(why)


class _Listener:
    """Passes on what the tuner says, as the workspace's observers expect it."""

    tuner: Tuner

    def __init__(self, job: SweepJob, backend: TrialBackend, observer: Observer) -> None:
        self._job = job
        self._backend = backend
        self._observer = observer

    def trial_changed(self, trial: Trial) -> None:
        """Close what has ended, and show the sweep as it stands."""
        if trial.status.is_finished:
            self._backend.finish(trial)
        result = self.tuner.result()
        trials = [_trial_result(self._job, one, self._backend) for one in result.trials]
        self._observer.job_changed(
            JobResult(
                name=self._job.name,
                status=JobStatus.RUNNING,
                trials=trials,
                best=None if result.best is None else trials[result.best].name,
            )
        )

    def message(self, text: str) -> None:
        """Pass a decision on."""
        self._observer.message(text)


def _trial_result(job: SweepJob, trial: Trial, backend: TrialBackend) -> TrialResult:
    ended = backend.results.get(trial.index)
    metrics: Mapping[str, Sequence[MetricPoint]] = (
        ended.metrics
        if ended
        else {
            job.objective.primary_metric: [
                MetricPoint(value, step) for step, value in enumerate(trial.values, 1)
            ]
        }
    )
    return TrialResult(
        name=f"{job.name}_{trial.index}",
        status=JobStatus(trial.status.value),
        parameters=dict(trial.parameters),
        best=trial.best(job.objective.goal),
        last=trial.values[-1] if trial.values else None,
        events=len(trial.values),
        why=trial.why,
        metrics=metrics,
        duration_s=(trial.ended or backend.now()) - trial.started,
    )


def _job_result(
    job: SweepJob, folder: JobFolder, result: SweepResult, backend: TrialBackend
) -> JobResult:
    trials = [_trial_result(job, trial, backend) for trial in result.trials]
    best = None if result.best is None else trials[result.best]
    warnings = list(result.warnings)
    by_index = [backend.results[index] for index in sorted(backend.results)]
    for ended in by_index:
        warnings += [line for line in ended.warnings if line not in warnings]
    failed = next((one for one in by_index if one.log_tail), None)
    status = JobStatus(result.status.value)
    why = result.why
    if status is JobStatus.FAILED:
        why = f"all {len(trials)} trials failed; the first: {trials[0].why}"
    return JobResult(
        name=job.name,
        status=status,
        parameters=dict(best.parameters) if best else {},
        metrics=best.metrics if best else {},
        why=why,
        folder=str(folder.path),
        log=failed.log if failed and status is JobStatus.FAILED else None,
        log_tail=failed.log_tail if failed and status is JobStatus.FAILED else (),
        trials=trials,
        best=best.name if best else None,
        warnings=warnings,
    )


def _track_end(result: JobResult, run: TrackedRun, tracking: Tracking, job: SweepJob) -> None:
    """Leave on the parent run what Azure ML's sweep leaves in its properties."""
    best = result.best_trial
    tags = {"primary_metric_config": json.dumps({"name": job.objective.primary_metric})}
    if best is not None:
        tags |= {"best_child_run_id": best.name, "score": str(best.best)}
    tracking.set_tags(run.run_id, tags)
    if best is not None and best.best is not None:
        now_ms = int(time.time() * 1000)
        tracking.log_metrics(run.run_id, {job.objective.primary_metric: best.best}, now_ms)
    tracking.log_missing_parameters(run.run_id, result.parameters)
    status = result.status if result.status.is_finished else JobStatus.CANCELED
    tracking.end(run.run_id, status)
