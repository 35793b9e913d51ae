"""The workspace, its region's VM sizes and quotas, and its datastores."""

import base64

from tests.azure_emulator.emulator import LOCATION, WORKSPACE
from tests.azure_emulator.rules import SIZES
from tests.azure_emulator.wire import WS, Call, RefusalError, Reply, route

REGION = (
    r"/subscriptions/(?P<sub>[^/]+)/providers/Microsoft\.MachineLearningServices/"
    r"locations/(?P<location>[^/]+)"
)
ACCOUNT_KEY = base64.b64encode(b"the emulated account's key").decode()
#: Datastore -> container.
CONTAINERS = {"workspaceblobstore": "azureml-blobstore", "workspaceartifactstore": "azureml"}


@route("GET", WS, "workspace.get")
def workspace(call: Call) -> Reply:
    """Describe the workspace."""
    emulator = call.emulator
    host = emulator.url.removeprefix("https://")
    return Reply(
        content={
            "id": emulator.ws,
            "name": WORKSPACE,
            "type": "Microsoft.MachineLearningServices/workspaces",
            "location": LOCATION,
            "identity": {"type": "SystemAssigned", "principalId": "p", "tenantId": "tenant"},
            "properties": {
                "friendlyName": WORKSPACE,
                "workspaceId": "00000000-0000-0000-0000-000000000009",
                "discoveryUrl": f"{emulator.url}/discovery",
                "mlFlowTrackingUri": f"azureml://{host}/mlflow/v1.0{emulator.ws}",
                "provisioningState": "Succeeded",
                "storageAccount": "/subscriptions/s/storageAccounts/wirestore",
            },
        }
    )


@route("GET", "/discovery", "discovery")
def discovery(call: Call) -> Reply:
    """Return the addresses of run history and other services."""
    return Reply(content={"api": call.emulator.url, "history": call.emulator.url})


@route("GET", rf"{REGION}/usages", "quota.list")
def usages(call: Call) -> Reply:
    """List used cores and limits of each quota."""
    quota = call.emulator.quota
    return Reply(
        content={
            "value": [
                {
                    "id": f"/usages/{family}",
                    "type": "Microsoft.MachineLearningServices/vmFamily/usages",
                    "unit": "Count",
                    "currentValue": quota.used.get(family, 0),
                    "limit": limit,
                    "name": {"value": family, "localizedValue": family},
                }
                for family, limit in quota.limits.items()
            ]
        }
    )


@route("GET", rf"{REGION}/vmSizes", "sizes.list")
def sizes(call: Call) -> Reply:
    """List VM sizes."""
    return Reply(
        content={
            "value": [
                {
                    "name": name,
                    "family": family.partition(" Cluster")[0].replace(" ", ""),
                    "vCPUs": cores,
                    "gpus": 1 if "_nc" in name else 0,
                    "osVhdSizeMB": 1,
                    "maxResourceVolumeMB": 1,
                    "memoryGB": 1.0,
                    "lowPriorityCapable": True,
                    "premiumIO": True,
                    "supportedComputeTypes": ["AmlCompute"],
                }
                for name, (family, cores) in SIZES.items()
            ]
        }
    )


@route("GET", rf"{WS}/datastores", "datastore.list")
def datastores(call: Call) -> Reply:
    """List the default datastore."""
    return Reply(content={"value": [_datastore(call, "workspaceblobstore")]})


@route("GET", rf"{WS}/datastores/(?P<name>[^/]+)", "datastore.get")
def datastore(call: Call) -> Reply:
    """Describe a datastore."""
    return Reply(content=_datastore(call, call.names["name"]))


@route("POST", rf"{WS}/datastores/(?P<name>[^/]+)/listSecrets", "datastore.secrets")
def secrets(call: Call) -> Reply:
    """Return the account's key."""
    _datastore(call, call.names["name"])
    return Reply(content={"secretsType": "AccountKey", "key": ACCOUNT_KEY})


def _datastore(call: Call, name: str) -> dict[str, object]:
    if name not in CONTAINERS:
        raise RefusalError(404, "ResourceNotFound", f"no datastore {name}")
    host = call.emulator.url.removeprefix("https://")
    return {
        "id": f"{call.emulator.ws}/datastores/{name}",
        "name": name,
        "properties": {
            "datastoreType": "AzureBlob",
            # The SDK builds https://ACCOUNT.blob.SUFFIX, which is a path on this host.
            "accountName": f"{host}/wirestore",
            "containerName": CONTAINERS[name],
            "endpoint": "localhost",
            "protocol": "https",
            "isDefault": name == "workspaceblobstore",
            "credentials": {"credentialsType": "AccountKey"},
            "tags": {},
            "properties": {},
        },
    }
