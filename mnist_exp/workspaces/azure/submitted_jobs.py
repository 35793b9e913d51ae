"""Submit jobs, find submitted jobs, and read their results."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from azure.ai.ml.entities import Job
from azure.core.exceptions import ResourceNotFoundError

from mnist_exp.azure_form.jobs import KEYS_TAG, Locate
from mnist_exp.errors import RefusedError
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.specs import CommandJob, SweepJob
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.azure.code_assets import CodeAssets
from mnist_exp.workspaces.azure.retries import RetryPolicy
from mnist_exp.workspaces.azure.run_metrics import JobMetrics, RunMetrics
from mnist_exp.workspaces.azure.translation import job_entity
from mnist_exp.workspaces.azure.workspace_client import WorkspaceClient

#: Azure's status that `JobStatus` does not have -> the status that this program reports instead.
_OTHER_STATUSES = {"Provisioning": JobStatus.PREPARING}
#: A property of a finished sweep. Its value is the name of the best trial.
_BEST_TRIAL = "best_child_run_id"
#: Status of a trial -> reason in its result. Azure does not report a more exact reason.
_REASONS = {
    JobStatus.CANCELED: "canceled by the early-termination policy, a limit of the sweep or a user",
    JobStatus.FAILED: "failed; see the log in Azure ML studio",
}


class SubmittedJobs:
    """The workspace's jobs.

    Args:
        client: The SDK's client.
        retries: Rules for repeating failed calls.
        code: The uploaded code folders.
    """

    def __init__(self, client: WorkspaceClient, retries: RetryPolicy, code: CodeAssets) -> None:
        self._code = code
        self._operations: Any = client.sdk.jobs
        self._retries = retries
        self._metrics = RunMetrics(client, retries)
        self._finished_trials: dict[str, TrialResult] = {}

    def submit(self, job: CommandJob | SweepJob, locate: Locate) -> str:
        """Submit a job, unless a job of that name exists. Return the name."""
        if self.find(job.name) is None:
            self._retries.call(
                f"job {job.name}",
                lambda: self._operations.create_or_update(self._entity(job, locate)),
                wait="uploading the code and the data, and submitting the job",
            )
        return job.name

    def _entity(self, job: CommandJob | SweepJob, locate: Locate) -> Any:
        """Upload the code, and return a new entity of the job.

        The SDK writes the addresses of uploaded data into the entity. Each try therefore needs a
        new entity.
        """
        entity: Any = job_entity(job, locate)
        trial = entity.trial if isinstance(job, SweepJob) else entity
        if trial.code is not None:
            trial.code = self._code.upload(trial.code)
        return entity

    def find(self, name: str) -> Job | None:
        """Return a job, or None if Azure has no job of that name."""

        def get() -> Job | None:
            try:
                found: Job = self._operations.get(name)
            except ResourceNotFoundError:
                return None
            return found

        return self._retries.call(f"job {name}", get)

    def get(self, name: str) -> Job:
        """Return a job that has been submitted."""
        found: Job = self._retries.call(
            f"job {name}", lambda: self._operations.get(name), settling=True
        )
        return found

    def cancel(self, name: str, poll_s: float) -> None:
        """Cancel a job, and wait until the job has finished.

        Raises:
            RefusedError: The job has finished.
        """
        if (status := status_of(self.get(name))).is_finished:
            raise RefusedError(f"run: must name a running job, got {name}, which is {status.value}")
        self._retries.call(f"job {name}", lambda: self._operations.begin_cancel(name).result())
        # The request only asks Azure to cancel the job.
        while not status_of(self.get(name)).is_finished:
            time.sleep(poll_s)

    def result(self, job: Job) -> JobResult:
        """Return a job's current status, metrics and trials."""
        name, status = str(job.name), status_of(job)
        if job.type == "sweep":
            return self._sweep_result(job, name, status)
        metrics = self._metrics.read(name) or JobMetrics()
        return JobResult(
            name=name,
            status=status,
            parameters=_literals(job),
            metrics=metrics.histories,
            folder=_address(name),
            log=job.studio_url,
            unread=self._unread(),
        )

    def read_metrics_again(self) -> None:
        """Let `result` read metrics again, after metrics could not be read."""
        self._metrics.fault = ""

    def _unread(self) -> tuple[str, ...]:
        fault = self._metrics.fault
        return (f"metrics: cannot be read from the MLflow server: {fault}",) if fault else ()

    def _sweep_result(self, job: Any, name: str, status: JobStatus) -> JobResult:
        children = self._retries.call(
            f"job {name}", lambda: list(self._operations.list(parent_job_name=name))
        )
        trials = [self._trial_result(job, child) for child in sorted(children, key=_trial_index)]
        best_name = (job.properties or {}).get(_BEST_TRIAL)
        best = next((trial for trial in trials if trial.name == best_name), None)
        return JobResult(
            name=name,
            status=status,
            parameters=dict(best.parameters) if best else {},
            metrics=best.metrics if best else {},
            folder=_address(name),
            log=job.studio_url,
            trials=trials,
            best=best.name if best else None,
            unread=self._unread(),
        )

    def _trial_result(self, sweep: Any, child: Job) -> TrialResult:
        name, status = str(child.name), status_of(child)
        if name in self._finished_trials:
            return self._finished_trials[name]
        read = self._metrics.read(name)
        metrics = read or JobMetrics()
        primary = metrics.histories.get(sweep.objective.primary_metric, ())
        values = [point.value for point in primary]
        # Python's max and min give a wrong result for a list with NaN.
        finite = [value for value in values if math.isfinite(value)]
        best_of = max if sweep.objective.goal.lower() == "maximize" else min
        trial = TrialResult(
            name=name,
            status=status,
            parameters=_drawn_values(sweep, name, metrics.parameters),
            best=best_of(finite) if finite else None,
            last=values[-1] if values else None,
            events=len(values),
            why=_REASONS.get(status, ""),
            metrics=metrics.histories,
            duration_s=metrics.duration_s,
        )
        if status.is_finished and read is not None:
            self._finished_trials[name] = trial
        return trial


def status_of(job: Job) -> JobStatus:
    """Return a job's status; Running for a status that this program does not know."""
    text = str(getattr(job.status, "value", job.status))
    if text in _OTHER_STATUSES:
        return _OTHER_STATUSES[text]
    return JobStatus(text) if text in set(JobStatus) else JobStatus.RUNNING


def _address(job: str) -> str:
    """Return the address of the files that a job saved."""
    return f"azureml://jobs/{job}/outputs/artifacts/paths/"


def _literals(job: Any) -> dict[str, Any]:
    # Azure returns every literal as text. The SDK puts the text into an object of a class that is
    # not public.
    values = {name: getattr(value, "_data", value) for name, value in (job.inputs or {}).items()}
    return {
        name: _typed(str(value))
        for name, value in values.items()
        if isinstance(value, str | int | float | bool)
    }


def _drawn_values(sweep: Any, trial: str, logged: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameter values that the sweep has drawn for a trial.

    For each trial, the sweep has a tag with these values. If the tag is missing, the parameters
    that the trial has logged are used.
    """
    names: Sequence[str] = list(sweep.search_space)
    tags: Mapping[str, str] = sweep.tags or {}
    keys: dict[str, str] = json.loads(tags.get(KEYS_TAG, "{}"))
    try:
        given = json.loads(tags[trial])
    except (KeyError, ValueError):
        given = {name: _typed(logged[name]) for name in names if name in logged}
    return {
        keys.get(name, name): _typed(given[name]) if isinstance(given[name], str) else given[name]
        for name in names
        if name in given
    }


def _typed(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float | bool) else text


def _trial_index(child: Job) -> tuple[int, str]:
    _, _, index = str(child.name).rpartition("_")
    return (int(index) if index.isdigit() else 0), str(child.name)
