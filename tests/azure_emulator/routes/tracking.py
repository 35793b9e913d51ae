"""The workspace's MLflow REST API."""

from typing import Any

from tests.azure_emulator.store import EmulatedJob
from tests.azure_emulator.wire import WS, Call, RefusalError, Reply, route

API = rf"/mlflow/v[12]\.0{WS}/api/2\.0/mlflow"
STATUSES = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}


def _job(call: Call) -> EmulatedJob:
    found = call.emulator.store.jobs.get(call.query.get("run_id", ""))
    if found is None:
        raise RefusalError(404, "RESOURCE_DOES_NOT_EXIST", "no such run")
    return found


@route("GET", f"{API}/runs/get", "mlflow.run")
def run(call: Call) -> Reply:
    """Describe a run: its parameters and the last value of each metric."""
    job = _job(call)
    info = {
        "run_id": job.name,
        "run_uuid": job.name,
        "experiment_id": "1",
        "run_name": job.name,
        "status": STATUSES.get(job.status, "RUNNING"),
        "start_time": job.started_ms,
        "end_time": job.ended_ms,
        "lifecycle_stage": "active",
        "artifact_uri": f"{call.emulator.url}/artifacts/{job.name}",
    }
    data = {
        "metrics": [_metric(name, *points[-1]) for name, points in job.metrics.items()],
        "params": [{"key": k, "value": str(v)} for k, v in job.parameters.items()],
        "tags": [],
    }
    return Reply(content={"run": {"info": info, "data": data}})


@route("GET", f"{API}/metrics/get-history", "mlflow.history")
def history(call: Call) -> Reply:
    """List every value of a metric."""
    name = call.query["metric_key"]
    points = _job(call).metrics.get(name, [])
    return Reply(content={"metrics": [_metric(name, *point) for point in points]})


def _metric(name: str, value: float, step: int, timestamp: int) -> dict[str, Any]:
    return {"key": name, "value": value, "step": step, "timestamp": timestamp}
