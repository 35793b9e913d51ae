"""How a sweep on this machine is told: while it runs, at its end, and in MLflow."""

import json
import time
from typing import TYPE_CHECKING

from mnist_exp.results import JobResult, MetricPoint, TrialResult
from mnist_exp.specs import SweepJob
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.plan import space_size
from mnist_exp.sweeps.space.keys import azure_name
from mnist_exp.sweeps.trial import SweepResult, Trial
from mnist_exp.workspaces.base import Observer
from mnist_exp.workspaces.local.jobs.environment import TrackedRun
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.sweep.trial_backend import TrialBackend

if TYPE_CHECKING:
    from mnist_exp.workspaces.local.tracking.store import Tracking


class SweepListener:
    """Passes on what the tuner says, as the workspace's observers expect it.

    What has ended does not change: only the trial that did is looked at, so that the thousandth
    trial costs as much as the first.
    """

    def __init__(self, job: SweepJob, backend: TrialBackend, observer: Observer) -> None:
        self._job = job
        self._backend = backend
        self._observer = observer
        self._trials: dict[int, TrialResult] = {}
        self._best: int | None = None

    def trial_changed(self, trial: Trial) -> None:
        """Close what has ended, and show the sweep as it stands."""
        if trial.status.is_finished:
            self._backend.finish(trial)
        self._trials[trial.index] = _trial_result(self._job, trial, self._backend)
        self._choose(trial.index)
        best = None if self._best is None else self._trials[self._best].name
        self._observer.job_changed(
            JobResult(
                name=self._job.name,
                status=JobStatus.RUNNING,
                trials=[self._trials[index] for index in sorted(self._trials)],
                best=best,
            )
        )

    def message(self, text: str) -> None:
        """Pass a decision on."""
        self._observer.message(text)

    def _choose(self, index: int) -> None:
        goal, value = self._job.objective.goal, self._trials[index].best
        if value is None:
            return
        leader = None if self._best is None else self._trials[self._best].best
        if (
            self._best is None
            or leader is None
            or goal.place(value, index) < goal.place(leader, self._best)
        ):
            self._best = index


def _trial_result(job: SweepJob, trial: Trial, backend: TrialBackend) -> TrialResult:
    """Return a trial as it stands."""
    points = backend.points.get(trial.index, {})
    metric = job.objective.primary_metric
    return TrialResult(
        name=f"{job.name}_{trial.index}",
        status=JobStatus(trial.status.value),
        parameters=dict(trial.parameters),
        best=trial.best(job.objective.goal),
        last=trial.values[-1] if trial.values else None,
        events=len(trial.values),
        why=trial.why,
        # What a running trial logs is still being added to.
        metrics=points
        if trial.status.is_finished
        else {metric: [MetricPoint(value, step) for step, value in enumerate(trial.values, 1)]},
        duration_s=(trial.ended or backend.now()) - trial.started,
        cut=trial.cut.interval if trial.cut else None,
        log=str(backend.log(trial.index)),
    )


def sweep_result(
    job: SweepJob, folder: JobFolder, result: SweepResult, backend: TrialBackend
) -> JobResult:
    """Return how a sweep ended."""
    trials = [_trial_result(job, trial, backend) for trial in result.trials]
    best = None if result.best is None else trials[result.best]
    warnings = list(result.warnings)
    by_index = [backend.results[index] for index in sorted(backend.results)]
    for ended in by_index:
        warnings += [line for line in ended.warnings if line not in warnings]
    failed = next((one for one in by_index if one.log_tail), None)
    status = JobStatus(result.status.value)
    why = result.why
    if status is JobStatus.FAILED and not why:
        fallen = [trial for trial in trials if trial.status is JobStatus.FAILED]
        share = "all" if len(fallen) == len(trials) else f"{len(fallen)} of"
        why = f"{share} {len(trials)} trials failed; the first: {fallen[0].why}"
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


def track_end(
    result: JobResult, run: TrackedRun, tracking: "Tracking", job: SweepJob, *, is_over: bool
) -> None:
    """Leave on the parent run what Azure ML's sweep leaves in its properties and tags.

    Args:
        result: How the sweep stands.
        run: Its run.
        tracking: Where that is.
        job: The sweep.
        is_over: Whether it has ended for good: one that goes on may find a better trial, and
            MLflow lets no parameter change and no metric be taken back.
    """
    best = result.best_trial
    primary = {"name": job.objective.primary_metric, "goal": job.objective.goal.value}
    size = space_size(job.search_space)
    tags = {
        "primary_metric_config": json.dumps(primary),
        "space_size": "infinite_space_size" if size is None else str(size),
    }
    tags |= {
        f"_aml_system_{trial.name}": json.dumps(
            {azure_name(name): value for name, value in trial.parameters.items()}
        )
        for trial in result.trials
    }
    if best is not None:
        tags |= {
            "best_child_run_id": best.name,
            # Azure ML's name for where a run's data is; here it names the trial alone.
            "best_data_container_id": f"dcid.{best.name}",
            "best_metric_status": "Succeeded",
            "score": str(best.best),
        }
    tracking.set_tags(run.run_id, tags)
    metric = job.objective.primary_metric
    # One that is only told of again has it.
    if is_over and best and best.best is not None and not tracking.history(run.run_id, metric):
        tracking.log_metrics(run.run_id, {metric: best.best}, int(time.time() * 1000))
    if is_over:
        tracking.log_missing_parameters(run.run_id, result.parameters)
    status = result.status if result.status.is_finished else JobStatus.CANCELED
    tracking.end(run.run_id, status)
