"""Compute targets."""

from tests.azure_emulator.routes.answers import accepted, created, not_found, paged
from tests.azure_emulator.rules import check_name, check_same, size_of
from tests.azure_emulator.wire import WS, Call, RefusalError, Reply, route

COMPUTE = rf"{WS}/computes/(?P<name>[^/]+)"


@route("GET", f"{WS}/computes", "compute.list")
def computes(call: Call) -> Reply:
    """List compute targets."""
    return paged(call, list(call.emulator.store.computes.values()))


@route("GET", COMPUTE, "compute.get")
def compute(call: Call) -> Reply:
    """Describe a compute target."""
    found = call.emulator.store.computes.get(call.names["name"])
    return Reply(content=found) if found else not_found("compute", call.names["name"])


@route("PUT", COMPUTE, "compute.put")
def put_compute(call: Call) -> Reply:
    """Create a compute target, or change its number of nodes."""
    name, store = call.names["name"], call.emulator.store
    check_name("compute", name)
    body = call.json
    asked = body["properties"]["properties"]
    size_of(asked["vmSize"])
    scale = asked["scaleSettings"]
    if not 0 <= scale["minNodeCount"] <= scale["maxNodeCount"] or scale["maxNodeCount"] < 1:
        raise RefusalError(400, "BadArgument", f"scale settings are not in order: {scale}")
    before = store.computes.get(name)
    if before:
        check_same(before["properties"]["properties"], asked, "vmSize", "vmPriority")
    properties = dict(body["properties"], provisioningState="Creating")
    store.computes[name] = {
        "id": f"{call.emulator.ws}/computes/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/computes",
        "location": body["location"],
        "properties": properties,
    }

    def failed(message: str) -> None:
        properties["provisioningState"] = "Failed"
        properties["provisioningErrors"] = [{"error": {"code": "Failed", "message": message}}]

    operation = call.emulator.operations.begin(
        "compute.put", lambda: properties.update(provisioningState="Succeeded"), failed
    )
    return created(call, store.computes[name], operation)


@route("DELETE", COMPUTE, "compute.delete")
def delete_compute(call: Call) -> Reply:
    """Delete a compute target."""
    name, store = call.names["name"], call.emulator.store
    if name not in store.computes:
        return Reply(204)
    operation = call.emulator.operations.begin(
        "compute.delete", lambda: store.computes.pop(name, None) and None
    )
    return accepted(call, operation)


@route("GET", r"/operations/(?P<id>\w+)", "operation.get")
def operation(call: Call) -> Reply:
    """Describe an operation."""
    found = call.emulator.operations.all.get(call.names["id"])
    if found is None:
        raise RefusalError(404, "ResourceNotFound", "no such operation")
    content: dict[str, object] = {"status": found.status, "name": call.names["id"]}
    if found.code:
        content["error"] = {"code": found.code, "message": found.message}
    return Reply(content=content, headers={"x-ms-retry-after-ms": "50"})
