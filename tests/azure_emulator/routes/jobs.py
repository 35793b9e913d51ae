"""Jobs: checked strictly, then run by the engine."""

import json
import re
from typing import Any

from tests.azure_emulator.faults import Action
from tests.azure_emulator.request_specs import sweep_plan
from tests.azure_emulator.routes.answers import not_found, paged
from tests.azure_emulator.rules import CURATED, check_name, check_same, is_environment, size_of
from tests.azure_emulator.store import EmulatedJob
from tests.azure_emulator.wire import WS, Call, RefusalError, Reply, route

JOB = rf"{WS}/jobs/(?P<name>[^/]+)"
REFERENCE = re.compile(r"\$\{\{\s*(inputs|outputs|search_space)\.([\w.]+)\s*\}\}")
#: Fields that cannot change after a job's creation.
FIXED = ("jobType", "command", "computeId", "inputs", "experimentName", "trial", "searchSpace")


@route("GET", f"{WS}/jobs", "job.list")
def jobs(call: Call) -> Reply:
    """List jobs without trials."""
    store = call.emulator.store
    return paged(call, [_dto(call, job) for job in store.jobs.values() if job.parent is None])


@route("GET", JOB, "job.get")
def job(call: Call) -> Reply:
    """Describe a job."""
    found = call.emulator.store.jobs.get(call.names["name"])
    return Reply(content=_dto(call, found)) if found else not_found("job", call.names["name"])


@route("PUT", JOB, "job.put")
def put_job(call: Call) -> Reply:
    """Accept a new job, or the same body again."""
    name, emulator = call.names["name"], call.emulator
    check_name("job", name)
    body = call.json["properties"]
    with emulator.lock:
        before = emulator.store.jobs.get(name)
        if before:
            check_same(before.body, body, *FIXED)
            return Reply(200, _dto(call, before))
        _check(call, body)
        made = EmulatedJob(name, body)
        emulator.store.jobs[name] = made
    action = emulator.faults.due("job.put", Action.JOB_FAILED, Action.PREEMPTED)
    emulator.engine.start(made, action)
    return Reply(201, _dto(call, made))


@route("POST", f"{JOB}/cancel", "job.cancel")
def cancel(call: Call) -> Reply:
    """Ask a job to end."""
    found = call.emulator.store.jobs.get(call.names["name"])
    if found is None:
        return not_found("job", call.names["name"])
    found.cancel_requested = True
    return Reply(200)


def _check(call: Call, body: dict[str, Any]) -> None:
    is_sweep = body["jobType"] == "Sweep"
    trial = body["trial"] if is_sweep else body
    _check_compute(call, body, trial)
    _check_environment(call, trial.get("environmentId") or "")
    if "codeId" in trial and asset_key(trial["codeId"]) not in call.emulator.store.codes:
        raise RefusalError(400, "UserError", f"no code {trial['codeId']}")
    drawn = set(body["searchSpace"]) if is_sweep and sweep_plan(body) else set()
    known = {
        "inputs": set(body.get("inputs") or {}),
        "outputs": set(body.get("outputs") or {}),
        "search_space": drawn,
    }
    for kind, name in REFERENCE.findall(trial["command"]):
        if name not in known[kind]:
            raise RefusalError(
                400, "UserError", f"the command refers to {kind}.{name}, not defined"
            )
    for name, value in (body.get("inputs") or {}).items():
        _check_input(call, name, value)


def _check_compute(call: Call, body: dict[str, Any], trial: dict[str, Any]) -> None:
    target = body.get("computeId")
    if target is None:
        size = (body.get("resources") or trial.get("resources") or {}).get("instanceType")
        if size:
            size_of(size)
        return
    name = target.rpartition("/")[2]
    found = call.emulator.store.computes.get(name)
    if found is None:
        raise RefusalError(400, "UserError", f"Unknown compute target '{name}'.")
    if found["properties"]["provisioningState"] != "Succeeded":
        raise RefusalError(400, "UserError", f"compute target '{name}' is not ready")


def _check_environment(call: Call, environment: str) -> None:
    if not is_environment(environment, call.emulator.store.environments, CURATED):
        raise RefusalError(400, "UserError", f"No environment {environment} exists.")


def _check_input(call: Call, name: str, value: dict[str, Any]) -> None:
    if value["jobInputType"] == "literal":
        if not isinstance(value["value"], str):
            raise RefusalError(400, "UserError", f"input {name}: a literal is text")
        return
    try:
        call.emulator.engine.folder_of(value["uri"])
    except KeyError as error:
        raise RefusalError(
            400, "UserError", f"input {name}: {value['uri']} cannot be read"
        ) from error


def asset_key(identifier: str) -> tuple[str, str]:
    parts = identifier.split("/")
    return parts[-3], parts[-1]


def _dto(call: Call, job: EmulatedJob) -> dict[str, Any]:
    studio = f"https://ml.azure.com/runs/{job.name}?wsid={call.emulator.ws}"
    properties = dict(job.body.get("properties") or {})
    if job.best:
        properties |= {"best_child_run_id": job.best, "score": "1"}
    body = dict(
        job.body,
        status=job.status,
        services={"Studio": {"jobServiceType": "Studio", "endpoint": studio}},
        properties=properties,
        tags=dict(job.body.get("tags") or {}, **_drawn(call, job)),
        outputs=dict(
            job.body.get("outputs") or {},
            default={
                "jobOutputType": "uri_folder",
                "uri": f"azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.{job.name}",
                "mode": "ReadWriteMount",
            },
        ),
    )
    if job.is_sweep:
        body["trial"] = dict(body["trial"])
    return {
        "id": f"{call.emulator.ws}/jobs/{job.name}",
        "name": job.name,
        "type": "Microsoft.MachineLearningServices/workspaces/jobs",
        "properties": body,
        "systemData": {"createdAt": "2026-11-23T00:00:00Z", "createdBy": "caller"},
    }


def _drawn(call: Call, job: EmulatedJob) -> dict[str, str]:
    """Return a sweep's tags with the values drawn for each trial."""
    store = call.emulator.store
    return {name: json.dumps(store.jobs[name].parameters) for name in job.trials}
