"""Report a local sweep: send its progress to the user, return its result, and write to MLflow."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_exp.results import JobResult, TrialResult
from mnist_exp.specs import SweepJob
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.plan import space_size
from mnist_exp.sweeps.ranking import Objective, logged_to_other_runs, missing_metric_hint
from mnist_exp.sweeps.space.keys import azure_name
from mnist_exp.sweeps.summary import SweepResult
from mnist_exp.sweeps.trial import Trial
from mnist_exp.workspaces.base import Observer
from mnist_exp.workspaces.local.jobs.environment import TrackedRun
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.processes.forking.analysis import slow_library
from mnist_exp.workspaces.local.sweep.trial_backend import TrialBackend

if TYPE_CHECKING:
    from mnist_exp.workspaces.local.tracking.store import Tracking

#: Maximum number of trials that a warning lists by index.
_LISTED = 5


class SweepListener:
    """The listener of the tuner, which sends the tuner's reports to the workspace's observer.

    For each report, the listener creates a new `TrialResult` only for the trial that has changed.
    The results of all other trials are reused.
    """

    def __init__(self, job: SweepJob, backend: TrialBackend, observer: Observer) -> None:
        self._job = job
        self._backend = backend
        self._observer = observer
        self._trials: dict[int, TrialResult] = {}
        self._best: int | None = None
        self._library = slow_library(job.trial.code, job.trial.command)

    def trial_changed(self, trial: Trial) -> None:
        """Send the present state of the sweep to the observer."""
        self._trials[trial.index] = _result(self._job, trial, self._backend)
        self._update_best(trial.index)
        best = None if self._best is None else self._trials[self._best].name
        self._observer.job_changed(
            JobResult(
                name=self._job.name,
                status=JobStatus.RUNNING,
                trials=[self._trials[index] for index in sorted(self._trials)],
                folder=str(self._backend.folder),
                best=best,
                library=self._library,
            )
        )

    def message(self, text: str) -> None:
        """Send a decision of the tuner to the observer."""
        self._observer.message(text)

    def _update_best(self, index: int) -> None:
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


def _result(job: SweepJob, trial: Trial, backend: TrialBackend) -> TrialResult:
    return trial_result(job.name, job.objective, trial, backend.now(), backend.log(trial.index))


def trial_result(
    sweep: str, objective: Objective, trial: Trial, now: float, log: Path
) -> TrialResult:
    """Return the present result of a trial.

    Args:
        sweep: The name of the sweep.
        objective: The objective of the sweep.
        trial: The trial.
        now: The present time, on the clock of the trial's times.
        log: The path of the trial's console log.
    """
    metric = objective.primary_metric
    # A running trial still adds points to its lists. The result therefore contains a copy. To save
    # time, the result of a running trial contains only the primary metric.
    metrics = trial.metrics if trial.status.is_finished else {metric: [*trial.points(metric)]}
    return TrialResult(
        name=f"{sweep}_{trial.index}",
        status=trial.status,
        parameters=dict(trial.parameters),
        best=trial.best(objective.goal),
        last=trial.values[-1] if trial.values else None,
        events=len(trial.values),
        late=len(trial.points(metric)) - len(trial.values),
        why=trial.why,
        metrics=metrics,
        duration_s=(trial.ended or now) - trial.started,
        cut=trial.cut.interval if trial.cut else None,
        log=str(log),
    )


def sweep_result(
    job: SweepJob, folder: JobFolder, result: SweepResult, backend: TrialBackend
) -> JobResult:
    """Return the result of a sweep that has ended."""
    trials = [_result(job, trial, backend) for trial in result.trials]
    best = None if result.best is None else trials[result.best]
    jobs = {index: backend.results[index] for index in sorted(backend.results)}
    failed = [trial for trial in result.trials if trial.status is JobStatus.FAILED]
    # Show the log of a failed trial only if the whole sweep failed.
    shown = jobs.get(failed[0].index) if failed and result.status is JobStatus.FAILED else None
    why = result.why
    if result.status is JobStatus.FAILED and not why:
        share = "all" if len(failed) == len(trials) else f"{len(failed)} of"
        why = f"{share} {len(trials)} trials failed; the first failed trial: {failed[0].why}"
    return JobResult(
        name=job.name,
        status=result.status,
        parameters=dict(best.parameters) if best else {},
        metrics=best.metrics if best else {},
        why=why,
        folder=str(folder.path),
        log=shown.log if shown else None,
        log_tail=shown.log_tail if shown else (),
        trials=trials,
        best=best.name if best else None,
        warnings=[*_warnings_of_sweep(job, result, jobs), *_warnings_of_trials(jobs)],
        logged_models=jobs[result.best].logged_models if result.best in jobs else (),
    )


def _warnings_of_sweep(
    job: SweepJob, result: SweepResult, jobs: Mapping[int, JobResult]
) -> Sequence[str]:
    """Return the tuner's warnings, corrected for metrics that scripts logged to other runs.

    The tuner knows only the metrics of the trials' own runs. If the primary metric is only in other
    runs, a warning about these runs replaces the tuner's hint about a missing metric.
    """
    metric = job.objective.primary_metric
    elsewhere = [index for index, one in jobs.items() if metric in one.metrics_of_script_runs]
    if result.best is not None or not elsewhere:
        return result.warnings
    logged = {name for trial in result.trials for name in trial.metrics}
    hint = missing_metric_hint(metric, logged)
    others = [line for line in result.warnings if line != hint]
    return [f"{_listed(elsewhere)}: {logged_to_other_runs(metric)}", *others]


def _warnings_of_trials(jobs: Mapping[int, JobResult]) -> list[str]:
    """Return each different warning once, with the indices of the trials that have the warning."""
    trials: dict[str, list[int]] = {}
    for index, job in jobs.items():
        for line in job.warnings:
            trials.setdefault(line, []).append(index)
    return [f"{_listed(indices)}: {line}" for line, indices in trials.items()]


def _listed(trials: list[int]) -> str:
    listed = ", ".join(map(str, trials[:_LISTED]))
    rest = len(trials) - _LISTED
    more = f" and {rest} more" if rest > 0 else ""
    return f"trial{'s' if len(trials) > 1 else ''} {listed}{more}"


def track_end(
    result: JobResult, run: TrackedRun, tracking: "Tracking", job: SweepJob, *, is_over: bool
) -> None:
    """End the sweep's MLflow run, with tags for the tags and properties that Azure ML would set.

    Args:
        result: The present result of the sweep.
        run: The sweep's run.
        tracking: The MLflow store.
        job: The sweep.
        is_over: Whether the sweep has ended and cannot resume. Only then are the parameters and the
            metric of the best trial logged. A sweep that resumes may find a better trial, but
            MLflow can neither change a parameter nor delete a value of a metric.
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
            # On Azure ML, this tag is the id of the storage for the trial's files. There is no such
            # storage here, so the tag contains only the name of the trial.
            "best_data_container_id": f"dcid.{best.name}",
            "best_metric_status": "Succeeded",
            "score": str(best.best),
        }
    tracking.set_tags(run.run_id, tags)
    metric = job.objective.primary_metric
    # If a command only reads the result of an ended sweep, the metric is already logged.
    if is_over and best and best.best is not None and not tracking.history(run.run_id, metric):
        tracking.log_metrics(run.run_id, {metric: best.best}, int(time.time() * 1000))
    if is_over:
        tracking.log_missing_parameters(run.run_id, result.parameters)
    status = result.status if result.status.is_finished else JobStatus.CANCELED
    tracking.end(run.run_id, status, result.why)
