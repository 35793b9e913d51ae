"""Credentials: which one, at which authority, for which cloud's resource manager."""

import io
import json
import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ODataV4Format
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import (
    AzureCliCredential,
    DefaultAzureCredential,
    DeviceCodeCredential,
    EnvironmentCredential,
    InteractiveBrowserCredential,
    ManagedIdentityCredential,
)
from azureml.mlflow._common._cloud.cloud import _get_cloud_or_default
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from mnist_exp.config import Cloud, Credential, Stage, WorkspaceConfig, WorkspaceType
from mnist_exp.errors import RefusedError
from mnist_exp.workspaces.azure.computes import Computes
from mnist_exp.workspaces.azure.error_mapping import map_error
from mnist_exp.workspaces.azure.retries import RetryPolicy
from mnist_exp.workspaces.azure.sdk_output import quiet
from mnist_exp.workspaces.azure.sign_in import SignIn
from mnist_exp.workspaces.azure.workspace_client import WorkspaceClient, create_client
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.faults import Action, Fault
from tests.support.emulated_azure import AzureStages

#: Cloud -> its authority and its resource manager.
PLACES = {
    None: ("https://login.microsoftonline.com", "https://management.azure.com"),
    Cloud.AzureCloud: ("https://login.microsoftonline.com", "https://management.azure.com"),
    Cloud.AzureUSGovernment: (
        "https://login.microsoftonline.us",
        "https://management.usgovcloudapi.net",
    ),
    Cloud.AzureChinaCloud: (
        "https://login.chinacloudapi.cn",
        "https://management.chinacloudapi.cn",
    ),
}
CLASSES = {
    Credential.default: DefaultAzureCredential,
    Credential.interactive: InteractiveBrowserCredential,
    Credential.device_code: DeviceCodeCredential,
    Credential.cli: AzureCliCredential,
    Credential.managed_identity: ManagedIdentityCredential,
    Credential.environment: EnvironmentCredential,
}
#: Prints a token as `az account get-access-token` does, and writes its arguments to a file.
AZ = """\
#!/bin/sh
echo "$@" > "{asked}"
echo '{{"accessToken": "from-az", "expires_on": 4102444800}}'
"""


class Nobody(HTTPAdapter):
    """An adapter that answers 404 to every request, without a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        self.asked.append(request)
        body = json.dumps({"error": {"code": "NotFound", "message": "nothing is here"}}).encode()
        headers = {"content-type": "application/json"}
        raw = HTTPResponse(io.BytesIO(body), headers, 404, preload_content=False)
        return self.build_response(request, raw)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove variables about identities and clouds, and restore those that the SDK writes."""
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "set aside")
    for name in list(os.environ):
        if name.startswith(("AZURE", "IDENTITY", "ARM_", "MSI")):
            monkeypatch.delenv(name)


def config(credential: Credential, cloud: Cloud | None) -> WorkspaceConfig:
    return WorkspaceConfig(
        WorkspaceType.azure, "s", "group", "workspace", credential=credential, cloud=cloud
    )


def looked_for(workspace: WorkspaceConfig) -> tuple[WorkspaceClient, requests.PreparedRequest]:
    """Look for a compute target, and return the one request that was sent."""
    session, nobody = requests.Session(), Nobody()
    session.mount("https://", nobody)
    transport = RequestsTransport(session=session, session_owner=False)
    client = create_client(workspace, {"transport": transport}, RetryPolicy())
    assert Computes(client, RetryPolicy(tries=1)).find("gpu-cluster") is None
    (request,) = nobody.asked
    return client, request


def service_principal(patch: pytest.MonkeyPatch, **more: str) -> None:
    given = {"AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "hush", "AZURE_TENANT_ID": "t", **more}
    for name, value in given.items():
        patch.setenv(name, value)


@pytest.mark.parametrize("cloud", PLACES)
@pytest.mark.parametrize("credential", Credential)
def test_the_credential_is_the_one_of_the_config_at_its_clouds_authority(
    credential: Credential, cloud: Cloud | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    service_principal(monkeypatch)
    found = create_client(config(credential, cloud), {}, RetryPolicy()).credential.credential
    assert type(found) is CLASSES[credential]
    authorities = set(authorities_of(parts_of(found)))
    # The others get their authority from `az cloud set` or from the machine.
    expected = {PLACES[cloud][0]} if credential not in WITHOUT_AUTHORITY else set()
    assert authorities == expected


WITHOUT_AUTHORITY = (Credential.cli, Credential.managed_identity)


def authorities_of(parts: Mapping[str, Any]) -> list[str]:
    """Return the authorities of a credential and of its parts."""
    own = [value for name, value in parts.items() if name == "_authority" and value]
    inner = [*parts.get("credentials", ()), parts.get("_credential")]
    return own + [found for one in inner if one for found in authorities_of(parts_of(one))]


def parts_of(thing: object) -> Mapping[str, Any]:
    return getattr(thing, "__dict__", {})


@pytest.mark.parametrize("cloud", PLACES)
def test_az_is_asked_for_the_clouds_resource_manager(
    cloud: Cloud | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    az, asked = tmp_path / "az", tmp_path / "asked"
    az.write_text(AZ.format(asked=asked), encoding="utf-8")
    az.chmod(az.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    manager = PLACES[cloud][1]
    _, request = looked_for(config(Credential.cli, cloud))
    words = asked.read_text(encoding="utf-8").split()
    assert words[:2] == ["account", "get-access-token"]
    assert words[words.index("--resource") + 1] == manager
    assert request.url is not None
    assert request.url.startswith(f"{manager}/subscriptions/s/resourceGroups/group/")
    assert request.headers["Authorization"] == "Bearer from-az"
    # azureml-mlflow finds its cloud in the variable that the SDK writes.
    assert _get_cloud_or_default()._get_default_scope() == f"{manager}/.default"


@pytest.mark.parametrize("cloud", [Cloud.AzureUSGovernment, Cloud.AzureChinaCloud])
def test_the_machines_identity_is_asked_for_the_clouds_resource_manager(
    cloud: Cloud, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ARM_CLOUD_METADATA_URL", "AZUREML_CURRENT_CLOUD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_CLIENT_ID", "of-a-user-assigned-identity")
    _, request = looked_for(config(Credential.managed_identity, cloud))
    (asked,) = emulator.recorded("token")
    assert asked.query["resource"] == PLACES[cloud][1]
    assert asked.query["client_id"] == "of-a-user-assigned-identity"
    assert str(request.url).startswith(PLACES[cloud][1])


def test_a_service_principal_signs_in_with_its_secret(
    stages: AzureStages, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = stages.emulator
    # For the tenant of AD FS the SDK does not ask Microsoft whether the authority exists.
    service_principal(monkeypatch, AZURE_TENANT_ID="adfs", AZURE_AUTHORITY_HOST=emulator.url)
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.delenv(name)
    # azure-identity repeats a failed request three times. Then the command signs in again.
    monkeypatch.setattr("azure.core.pipeline.policies.RetryPolicy.sleep", lambda *_, **__: None)
    emulator.faults.inject(Fault("token.secret", Action.RESET_BEFORE, count=4))
    record = stages.run(Stage.compute, "workspace.credential=environment")
    assert len(emulator.faults.hits) == 4
    assert record.compute is not None
    assert record.compute["created"]
    form = emulator.recorded("token.secret")[0].body
    assert (form["client_id"], form["client_secret"]) == ("c", "hush")
    assert form["scope"] == f"{emulator.url}/.default"
    assert emulator.recorded("token") == []


@pytest.mark.parametrize("credential", [Credential.environment, Credential.cli])
def test_a_failed_sign_in_names_the_remedy(
    credential: Credential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RefusedError, match=r"the sign-in failed.*workspace\.credential"):
        looked_for(config(credential, None))


REFUSALS = {
    "AuthorizationFailed: The client 'x' does not have authorization to perform action 'y' over "
    "scope '/subscriptions/s/resourceGroups/ml-vnet-quota'": "the role",
    "Forbidden: Access denied. Public network access is disabled; use a private endpoint": "VPN",
    "AuthorizationFailure: This request is not authorized to perform this operation.": "VPN",
    "AuthorizationPermissionMismatch: not authorized using this permission": "the role",
    "RequestDisallowedByPolicy: Resource 'x' violates: use a private endpoint": "policies",
    "ReadOnlyDisabledSubscription: the subscription is disabled": "",
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_the_remedy_for_a_403_fits_its_cause(refusal: str) -> None:
    code, _, message = refusal.partition(": ")
    error = HttpResponseError(message)
    error.error = ODataV4Format({"code": code, "message": message})
    error.status_code = 403
    line = str(map_error(error, "compute gpu"))
    remedy = line.partition("; ")[2] if REFUSALS[refusal] else line.partition("disabled")[2]
    assert REFUSALS[refusal] in remedy
    assert ("role" in remedy) == (REFUSALS[refusal] == "the role")


def test_a_device_code_is_shown_even_while_the_sdk_is_silenced(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = SignIn(config(Credential.device_code, None), print).credential
    with quiet():
        print("dropped")
        found._prompt_callback("https://microsoft.com/devicelogin", "ABC", datetime.now(UTC))
    assert capsys.readouterr().out == (
        "to sign in, open https://microsoft.com/devicelogin in a browser and enter the code ABC\n"
    )


def test_a_long_wait_is_reported_even_while_the_sdk_is_silenced(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reported = Event()

    def message(line: str) -> None:
        print(line)
        reported.set()

    policy = RetryPolicy(patience_s=0.01, message=message)
    assert policy.call("compute gpu", lambda: reported.wait(60), wait="creating the cluster")
    assert capsys.readouterr().out.startswith("compute gpu: creating the cluster\n")
