"""Versioned assets: code, environments, models. A version never changes after its creation."""

import secrets
from typing import Any

from tests.azure_emulator.routes.answers import not_found, paged
from tests.azure_emulator.rules import check_name
from tests.azure_emulator.wire import WS, Call, RefusalError, Reply, route

KINDS = r"(?P<kind>codes|environments|models)"
CONTAINER = rf"{WS}/{KINDS}/(?P<name>[^/]+)"
VERSIONS = f"{CONTAINER}/versions"
VERSION = rf"{VERSIONS}/(?P<version>[^/]+)"


def _assets(call: Call) -> dict[tuple[str, str], dict[str, Any]]:
    found = getattr(call.emulator.store, call.names["kind"].lower())
    assert isinstance(found, dict)
    return found


def _versions(call: Call) -> list[dict[str, Any]]:
    """Return the versions of an asset, newest first."""
    name = call.names["name"]
    return [asset for (one, _), asset in reversed(_assets(call).items()) if one == name]


@route("GET", CONTAINER, "{kind}.get")
def container(call: Call) -> Reply:
    """Describe an asset: the numbers of its latest and its next version."""
    numbers = [int(one["name"]) for one in _versions(call) if one["name"].isdigit()]
    if not _versions(call):
        return not_found(call.names["kind"], call.names["name"])
    properties = {"latestVersion": str(max(numbers)), "nextVersion": str(max(numbers) + 1)}
    return Reply(content={"name": call.names["name"], "properties": properties})


@route("GET", VERSIONS, "{kind}.versions")
def versions(call: Call) -> Reply:
    """List versions. The SDK finds code by its hash."""
    found = _versions(call)
    if wanted := call.query.get("hash"):
        found = [
            one
            for one in found
            if one["properties"].get("properties", {}).get("hash_sha256") == wanted
        ]
    if top := call.query.get("$top"):
        return Reply(content={"value": found[: int(top)]})
    return paged(call, found)


@route("GET", VERSION, "{kind}.version")
def version(call: Call) -> Reply:
    """Describe a version."""
    found = _assets(call).get((call.names["name"], call.names["version"]))
    return Reply(content=found) if found else not_found(call.names["kind"], call.names["name"])


@route("POST", f"{VERSION}/startPendingUpload", "{kind}.upload")
def upload(call: Call) -> Reply:
    """Return the address to upload files to."""
    place = f"upload-{call.names['name']}-{call.names['version']}-{secrets.token_hex(3)}"
    uri = f"{call.emulator.url}/wirestore.blob.localhost/{place}"
    return Reply(
        content={
            "blobReferenceForConsumption": {
                "blobUri": uri,
                "storageAccountArmId": "/subscriptions/s",
                "credential": {"credentialType": "SAS", "sasUri": f"{uri}?sv=1&sig=secret"},
            },
            "pendingUploadId": place,
            "pendingUploadType": "TemporaryBlobReference",
        }
    )


@route("PUT", VERSION, "{kind}.put")
def put_version(call: Call) -> Reply:
    """Create a version. The same body is accepted again, another body is refused."""
    name, number, assets = call.names["name"], call.names["version"], _assets(call)
    kind, sent = call.names["kind"].lower(), call.json["properties"]
    before = assets.get((name, number))
    if before:
        if before["sent"] != sent:
            raise RefusalError(409, "Conflict", f"{name}:{number} exists and cannot be changed")
        return Reply(200, before)
    properties = dict(sent)
    if kind == "models":
        check_name("model", name)
        call.emulator.engine.register(name, number, sent)
        properties = {**sent, "flavors": sent.get("flavors") or {}, "modelUri": _moved(call, sent)}
    if kind == "codes" and "codeUri" not in sent:
        raise RefusalError(400, "BadArgument", "code needs files")
    assets[name, number] = {
        "id": f"{call.emulator.ws}/{kind}/{name}/versions/{number}",
        "name": number,
        "type": f"Microsoft.MachineLearningServices/workspaces/{kind}/versions",
        "properties": properties,
        "systemData": {"createdAt": "2026-11-23T00:00:00Z", "createdBy": "caller"},
        "sent": sent,
    }
    return Reply(201, assets[name, number])


def _moved(call: Call, sent: dict[str, Any]) -> str:
    """Return the address of a job's files in the datastore, as the service shows it."""
    uri = str(sent.get("modelUri", ""))
    if not uri.startswith("azureml://jobs/"):
        return uri
    job, _, path = uri.removeprefix("azureml://jobs/").partition("/outputs/artifacts/paths/")
    return (
        f"{call.emulator.datastores}/workspaceartifactstore/paths/ExperimentRun/dcid.{job}/{path}"
    )
