"""Run history: status, children and artifacts of runs."""

from typing import Any

from tests.azure_emulator.emulator import now
from tests.azure_emulator.routes.answers import not_found, paged
from tests.azure_emulator.store import EmulatedJob
from tests.azure_emulator.wire import WS, Call, Reply, route

HISTORY = rf"/history/v1\.0{WS}"


def _job(call: Call) -> EmulatedJob:
    found = call.emulator.store.jobs.get(call.names["run"])
    if found is None:
        not_found("run", call.names["run"])
    assert found is not None
    return found


def _run(call: Call, job: EmulatedJob) -> dict[str, Any]:
    return {
        "runId": job.name,
        "parentRunId": job.parent,
        "rootRunId": job.parent or job.name,
        "status": job.status,
        "displayName": job.name,
        "runType": "azureml.scriptrun",
        "runTypeV2": {"orchestrator": "Execution"},
        "createdUtc": now(),
        "properties": {},
        "tags": {},
        "parameters": job.parameters,
        "outputs": {"default": {"assetId": _artifacts(call, job), "type": "UriFolder"}},
        "error": _error(job),
    }


def _artifacts(call: Call, job: EmulatedJob) -> str:
    return f"{call.emulator.datastores}/workspaceartifactstore/paths/ExperimentRun/dcid.{job.name}/"


def _error(job: EmulatedJob) -> dict[str, Any] | None:
    if job.status != "Failed":
        return None
    error = {"code": "UserError", "message": job.error or "the job failed"}
    return {"error": error, "time": now(), "componentName": "CommonRuntime"}


@route("GET", rf"{HISTORY}/runs/(?P<run>[^/]+)/details", "run.details")
def details(call: Call) -> Reply:
    """Describe a run."""
    return Reply(content={**_run(call, _job(call)), "logFiles": {}, "warnings": []})


@route("GET", rf"{HISTORY}/runs/(?P<run>[^/]+)/children", "run.children")
def children(call: Call) -> Reply:
    """List all trials of a sweep: the service pages only if `$top` is given."""
    store = call.emulator.store
    trials = [_run(call, store.jobs[name]) for name in _job(call).trials]
    return paged(call, trials, len(trials) + 1)


@route("POST", rf"{HISTORY}/rundata", "run.data")
def data(call: Call) -> Reply:
    """Describe a run with its outputs."""
    call.names = {**call.names, "run": call.json["runId"]}
    return Reply(content={"runMetadata": _run(call, _job(call))})
