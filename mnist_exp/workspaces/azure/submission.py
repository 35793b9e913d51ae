"""Jobs: submitted once, whatever happens, and read back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from azure.ai.ml.entities import Job
from azure.core.exceptions import ResourceNotFoundError

from mnist_exp.results import JobResult, TrialResult
from mnist_exp.specs import CommandJob, SweepJob
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.space.keys import hydra_key
from mnist_exp.workspaces.azure.connection import Connection
from mnist_exp.workspaces.azure.retrying import Retrying
from mnist_exp.workspaces.azure.tracking import Tracking
from mnist_exp.workspaces.azure.translation import job_entity
from mnist_exp.workspaces.azure.translation.inputs import Resolve

#: Azure's other words for a job that is under way.
_UNDER_WAY = {"Provisioning": JobStatus.PREPARING}
BEST = "best_child_run_id"


class Jobs:
    """The workspace's jobs.

    Args:
        connection: The SDK's client.
        retrying: How calls are made.
        tracking: Where their metrics are.
    """

    def __init__(self, connection: Connection, retrying: Retrying, tracking: Tracking) -> None:
        self._operations: Any = connection.client.jobs
        self._retrying = retrying
        self._tracking = tracking
        self._ended: dict[str, TrialResult] = {}

    def submit(self, job: CommandJob | SweepJob, resolve: Resolve) -> str:
        """Send a job, unless it has arrived before, and return its name."""
        if self.find(job.name) is None:
            # Made anew for each try: the SDK puts addresses of uploads into it.
            self._retrying.call(
                f"job {job.name}",
                lambda: self._operations.create_or_update(job_entity(job, resolve)),
            )
        return job.name

    def find(self, name: str) -> Job | None:
        """Return a job, None if there is none."""

        def get() -> Job | None:
            try:
                found: Job = self._operations.get(name)
            except ResourceNotFoundError:
                return None
            return found

        return self._retrying.call(f"job {name}", get)

    def get(self, name: str) -> Job:
        """Return a job that has been submitted."""
        found: Job = self._retrying.call(
            f"job {name}", lambda: self._operations.get(name), settling=True
        )
        return found

    def result(self, job: Job) -> JobResult:
        """Return a job as it stands, with its metrics and trials."""
        name, status = str(job.name), status_of(job)
        if job.type == "sweep":
            return self._sweep(job, name, status)
        run = self._tracking.run(name)
        return JobResult(
            name=name,
            status=status,
            parameters=_literals(job),
            metrics=self._tracking.histories(run) if run else {},
            folder=_address_of(name),
            log=job.studio_url,
        )

    def _sweep(self, job: Any, name: str, status: JobStatus) -> JobResult:
        children = self._retrying.call(
            f"job {name}", lambda: list(self._operations.list(parent_job_name=name))
        )
        metric, goal = job.objective.primary_metric, job.objective.goal
        trials = [
            self._trial(job, child, metric, goal) for child in sorted(children, key=_index_of)
        ]
        best_name = (job.properties or {}).get(BEST)
        best = next((trial for trial in trials if trial.name == best_name), None)
        return JobResult(
            name=name,
            status=status,
            parameters=dict(best.parameters) if best else {},
            metrics=best.metrics if best else {},
            folder=_address_of(name),
            log=job.studio_url,
            trials=trials,
            best=best.name if best else None,
        )

    def _trial(self, sweep: Any, child: Job, metric: str, goal: str) -> TrialResult:
        name, status = str(child.name), status_of(child)
        if name in self._ended:
            return self._ended[name]
        run = self._tracking.run(name)
        metrics = self._tracking.histories(run) if run else {}
        values = [point.value for point in metrics.get(metric, ())]
        drawn = _drawn(sweep, name, run.data.params if run else {})
        trial = TrialResult(
            name=name,
            status=status,
            parameters=drawn,
            best=(max if goal.lower() == "maximize" else min)(values) if values else None,
            last=values[-1] if values else None,
            events=len(values),
            why=_WHY.get(status, ""),
            metrics=metrics,
            duration_s=_duration(run),
        )
        if status.is_finished:
            self._ended[name] = trial
        return trial


_WHY = {
    JobStatus.CANCELED: "canceled: by the early-termination policy, a limit or a person",
    JobStatus.FAILED: "failed; its log is in the studio",
}


def status_of(job: Job) -> JobStatus:
    """Return where a job is; what we have no word for is under way."""
    text = str(getattr(job.status, "value", job.status))
    if text in _UNDER_WAY:
        return _UNDER_WAY[text]
    return JobStatus(text) if text in set(JobStatus) else JobStatus.RUNNING


def _address_of(job: str) -> str:
    """Return the address of a job's kept files."""
    return f"azureml://jobs/{job}/outputs/artifacts/paths/"


def _literals(job: Any) -> dict[str, Any]:
    # What went over the wire as text comes back as text, inside the SDK's own wrapper.
    values = {name: getattr(value, "_data", value) for name, value in (job.inputs or {}).items()}
    return {
        name: _typed(str(value))
        for name, value in values.items()
        if isinstance(value, str | int | float | bool)
    }


def _drawn(sweep: Any, trial: str, logged: Mapping[str, str]) -> dict[str, Any]:
    """Return a trial's values: the sweep's tags have them, or else what the script logged."""
    names: Sequence[str] = list(sweep.search_space)
    try:
        given = json.loads((sweep.tags or {})[trial])
    except (KeyError, ValueError):
        given = {name: _typed(logged[name]) for name in names if name in logged}
    return {
        hydra_key(name): _typed(given[name]) if isinstance(given[name], str) else given[name]
        for name in names
        if name in given
    }


def _typed(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float | bool) else text


def _index_of(child: Job) -> tuple[int, str]:
    _, _, index = str(child.name).rpartition("_")
    return (int(index) if index.isdigit() else 0), str(child.name)


def _duration(run: Any) -> float:
    if run is None or not run.info.end_time:
        return 0.0
    return max(0.0, float(run.info.end_time - run.info.start_time) / 1000)
