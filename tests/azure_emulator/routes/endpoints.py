"""Online endpoints: deployments, keys, traffic, and scoring requests."""

import json
import random
import secrets
import time
from typing import Any

from tests.azure_emulator.emulator import LOCATION, now
from tests.azure_emulator.routes.answers import accepted, created, not_found, paged
from tests.azure_emulator.routes.jobs import asset_key
from tests.azure_emulator.rules import (
    INFERENCE,
    check_mirror,
    check_name,
    check_same,
    check_traffic,
    is_environment,
    size_of,
)
from tests.azure_emulator.wire import WS, Call, RefusalError, Reply, route

ENDPOINTS = f"{WS}/onlineEndpoints"
ENDPOINT = rf"{ENDPOINTS}/(?P<name>[^/]+)"
#: The names of an endpoint's two keys, in the order of the store.
KEYS = ("Primary", "Secondary")
DEPLOYMENTS = f"{ENDPOINT}/deployments"
DEPLOYMENT = rf"{DEPLOYMENTS}/(?P<deployment>[^/]+)"


def _endpoint(call: Call) -> dict[str, Any]:
    found = call.emulator.store.endpoints.get(call.names["name"])
    if found is None:
        not_found("endpoint", call.names["name"])
    assert found is not None
    return found


def _names(call: Call) -> set[str]:
    return {one for name, one in call.emulator.store.deployments if name == call.names["name"]}


@route("GET", ENDPOINTS, "endpoint.list")
def endpoints(call: Call) -> Reply:
    """List endpoints."""
    return paged(call, list(call.emulator.store.endpoints.values()))


@route("GET", ENDPOINT, "endpoint.get")
def endpoint(call: Call) -> Reply:
    """Describe an endpoint."""
    return Reply(content=_endpoint(call))


@route("PUT", ENDPOINT, "endpoint.put")
def put_endpoint(call: Call) -> Reply:
    """Create an endpoint, or replace its fields."""
    name, store, sent = call.names["name"], call.emulator.store, call.json
    check_name("endpoint", name)
    traffic = sent["properties"].get("traffic") or {}
    mirror = sent["properties"].get("mirrorTraffic") or {}
    check_traffic(traffic, _names(call))
    check_mirror(mirror, traffic, _names(call))
    before = store.endpoints.get(name)
    if before:
        check_same(before["properties"], sent["properties"], "authMode")
    properties = {
        **sent["properties"],
        "traffic": traffic,
        "mirrorTraffic": mirror,
        "provisioningState": "Updating" if before else "Creating",
        "scoringUri": f"{call.emulator.url}/score/{name}",
        "swaggerUri": f"{call.emulator.url}/score/{name}/swagger.json",
        "properties": {"createdAt": now(), "createdBy": "caller"},
    }
    store.endpoints[name] = {
        "id": f"{call.emulator.ws}/onlineEndpoints/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
        "location": LOCATION,
        "identity": {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"},
        "tags": sent.get("tags") or {},
        "kind": "Managed",
        "properties": properties,
    }
    store.keys.setdefault(name, [secrets.token_urlsafe(24) for _ in KEYS])
    operation = call.emulator.operations.begin(
        "endpoint.put",
        lambda: properties.update(provisioningState="Succeeded"),
        lambda _: properties.update(provisioningState="Failed"),
    )
    return created(call, store.endpoints[name], operation)


@route("DELETE", ENDPOINT, "endpoint.delete")
def delete_endpoint(call: Call) -> Reply:
    """Delete an endpoint with its deployments."""
    name, store = call.names["name"], call.emulator.store
    if name not in store.endpoints:
        return Reply(204)
    store.endpoints[name]["properties"]["provisioningState"] = "Deleting"

    def work() -> None:
        for deployment in _names(call):
            _forget(call, deployment)
        call.emulator.engine.delete(name)
        store.endpoints.pop(name, None)

    operation = call.emulator.operations.begin("endpoint.delete", work)
    return accepted(call, operation)


@route("POST", f"{ENDPOINT}/listKeys", "endpoint.keys")
def keys(call: Call) -> Reply:
    """Return both keys."""
    _endpoint(call)
    first, second = call.emulator.store.keys[call.names["name"]]
    return Reply(content={"primaryKey": first, "secondaryKey": second})


@route("POST", f"{ENDPOINT}/token", "endpoint.token")
def token(call: Call) -> Reply:
    """Return a token."""
    _endpoint(call)
    later = int(time.time()) + 3600
    text = f"token-{call.emulator.store.keys[call.names['name']][0]}"
    return Reply(
        content={
            "accessToken": text,
            "expiryTimeUtc": later,
            "refreshAfterTimeUtc": later,
            "tokenType": "Bearer",
        }
    )


@route("POST", f"{ENDPOINT}/regenerateKeys", "endpoint.regenerate")
def regenerate_keys(call: Call) -> Reply:
    """Replace one of the keys."""
    _endpoint(call)
    keys = call.emulator.store.keys[call.names["name"]]

    def work() -> None:
        keys[KEYS.index(call.json["keyType"])] = secrets.token_urlsafe(24)

    return accepted(call, call.emulator.operations.begin("endpoint.regenerate", work))


@route("GET", DEPLOYMENTS, "deployment.list")
def deployments(call: Call) -> Reply:
    """List an endpoint's deployments."""
    _endpoint(call)
    store = call.emulator.store
    return paged(
        call, [one for (name, _), one in store.deployments.items() if name == call.names["name"]]
    )


@route("GET", DEPLOYMENT, "deployment.get")
def deployment(call: Call) -> Reply:
    """Describe a deployment."""
    key = (call.names["name"], call.names["deployment"])
    found = call.emulator.store.deployments.get(key)
    return Reply(content=found) if found else not_found("deployment", key[1])


@route("PUT", DEPLOYMENT, "deployment.put")
def put_deployment(call: Call) -> Reply:
    """Create or replace a deployment."""
    name, deployment = call.names["name"], call.names["deployment"]
    emulator, sent = call.emulator, call.json
    check_name("deployment", deployment)
    if _endpoint(call)["properties"]["provisioningState"] != "Succeeded":
        raise RefusalError(409, "Conflict", f"endpoint {name} is not ready")
    asked = sent["properties"]
    _check(call, asked)
    count = sent["sku"]["capacity"]
    if not 1 <= count <= 50:
        raise RefusalError(400, "BadArgument", f"instance count {count}")
    before = emulator.store.deployments.get((name, deployment))
    if before:
        check_same(before["properties"], asked, "instanceType", "endpointComputeType")
        emulator.quota.give_back(asked["instanceType"], before["sku"]["capacity"])
    emulator.quota.take(asked["instanceType"], count)
    properties = {
        **asked,
        "provisioningState": "Updating" if before else "Creating",
        "scaleSettings": {"scaleType": "Default"},
    }
    made = {
        "id": f"{emulator.ws}/onlineEndpoints/{name}/deployments/{deployment}",
        "name": deployment,
        "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
        "location": LOCATION,
        "sku": sent["sku"],
        "tags": sent.get("tags") or {},
        "properties": properties,
    }
    emulator.store.deployments[name, deployment] = made

    def work() -> None:
        emulator.engine.deploy(name, deployment, asked)
        properties["provisioningState"] = "Succeeded"

    operation = emulator.operations.begin(
        "deployment.put", work, lambda _: properties.update(provisioningState="Failed")
    )
    return created(call, made, operation)


def _check(call: Call, asked: dict[str, Any]) -> None:
    store = call.emulator.store
    size_of(asked["instanceType"])
    model = store.models.get(asset_key(asked["model"]))
    if model is None:
        raise RefusalError(400, "BadArgument", f"no model {asked['model']}")
    if not asked.get("codeConfiguration"):
        if model["properties"]["modelType"] != "mlflow_model":
            raise RefusalError(400, "BadArgument", "only a model of mlflow_model needs no script")
        return
    if asset_key(asked["codeConfiguration"]["codeId"]) not in store.codes:
        raise RefusalError(400, "BadArgument", "no such code")
    if not is_environment(asked["environmentId"], store.environments, INFERENCE):
        raise RefusalError(400, "BadArgument", f"no environment {asked['environmentId']}")


@route("DELETE", DEPLOYMENT, "deployment.delete")
def delete_deployment(call: Call) -> Reply:
    """Delete a deployment that has no traffic."""
    deployment = call.names["deployment"]
    if (_endpoint(call)["properties"].get("traffic") or {}).get(deployment):
        raise RefusalError(400, "BadArgument", f"deployment {deployment} has traffic")
    if deployment not in _names(call):
        return Reply(204)
    operation = call.emulator.operations.begin(
        "deployment.delete", lambda: _forget(call, deployment)
    )
    return accepted(call, operation)


def _forget(call: Call, deployment: str) -> None:
    gone = call.emulator.store.deployments.pop((call.names["name"], deployment))
    call.emulator.quota.give_back(gone["properties"]["instanceType"], gone["sku"]["capacity"])


@route("POST", f"{DEPLOYMENT}/getLogs", "deployment.logs")
def logs(call: Call) -> Reply:
    """Return the last lines that a deployment printed."""
    name, deployment = call.names["name"], call.names["deployment"]
    lines = call.emulator.engine.logs(name, deployment, call.json.get("tail") or 100)
    return Reply(content={"content": "\n".join(lines)})


@route("POST", r"/score/(?P<name>[^/]+)", "score")
def score(call: Call) -> Reply:
    """Answer a scoring request as Azure's managed endpoints do."""
    name, store = call.names["name"], call.emulator.store
    if name not in store.endpoints:
        return Reply(404, b"no such endpoint")
    if call.headers.get("authorization") not in _accepted_headers(call):
        return Reply(401, b'{"message": "key_auth_access_denied"}')
    chosen = call.headers.get("azureml-model-deployment") or _drawn(store.endpoints[name])
    if chosen not in _names(call):
        return Reply(404, b'{"message": "no deployment answers"}')
    try:
        answer = call.emulator.engine.score(name, chosen, call.body)
    except RefusalError as refusal:
        return Reply(
            424,
            b'{"message": "An unexpected error occurred in scoring script."}',
            {
                "ms-azureml-model-error-statuscode": str(refusal.reply.status),
                "ms-azureml-model-error-reason": "model_error",
            },
        )
    return Reply(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})


def _accepted_headers(call: Call) -> list[str]:
    """Return the accepted headers: either key, or with `aml_token` only the token."""
    keys = call.emulator.store.keys[call.names["name"]]
    is_token = _endpoint(call)["properties"]["authMode"] == "AMLToken"
    return [f"Bearer {one}" for one in ([f"token-{keys[0]}"] if is_token else keys)]


def _drawn(endpoint: dict[str, Any]) -> str | None:
    traffic = {name: part for name, part in endpoint["properties"]["traffic"].items() if part}
    if not traffic:
        return None
    return random.choices(list(traffic), list(traffic.values()))[0]
