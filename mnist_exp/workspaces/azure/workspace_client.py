"""Create the SDK's client for the workspace that the config names, and sign in to Azure."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from azure.ai.ml import MLClient
from azure.core.credentials import TokenCredential
from azure.core.pipeline.transport import HttpTransport, RequestsTransport
from azure.identity import (
    AzureAuthorityHosts,
    AzureCliCredential,
    DefaultAzureCredential,
    EnvironmentCredential,
    InteractiveBrowserCredential,
    ManagedIdentityCredential,
)

from mnist_exp.config import Cloud, Credential, WorkspaceConfig
from mnist_exp.errors import ConfigError
from mnist_exp.workspaces.azure.sdk_output import quiet, silence_loggers

_CONFIG_FILES = ("config.json", ".azureml/config.json")
#: Key in the config -> environment variable that usually contains the value. Azure ML's config.json
#: has the same keys.
_VARIABLES = {
    "subscription_id": "AZURE_SUBSCRIPTION_ID",
    "resource_group": "AZURE_RESOURCE_GROUP",
    "workspace_name": "AZUREML_WORKSPACE_NAME",
}
_AUTHORITIES = {
    Cloud.AzureCloud: AzureAuthorityHosts.AZURE_PUBLIC_CLOUD,
    Cloud.AzureUSGovernment: AzureAuthorityHosts.AZURE_GOVERNMENT,
    Cloud.AzureChinaCloud: AzureAuthorityHosts.AZURE_CHINA,
}
#: Maximum number of seconds to wait for an answer from Azure. After this time, the SDK
#: or `retries.py` repeats the request.
_READ_TIMEOUT_S = 120


class _Transport(RequestsTransport):  # type: ignore[misc]
    """A transport that reads the body of each error response.

    The SDK retries a failed long-running operation without reading the response. The connection of
    an unread response would stay open until the garbage collector finds the response.
    """

    def send(self, request: Any, **options: Any) -> Any:
        """Send a request and return the response."""
        response: Any = super().send(request, **options)
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            read = response.read if hasattr(response, "read") else response.load_body
            read()
        return response


@dataclass(frozen=True)
class WorkspaceClient:
    """The SDK's client (`sdk`), its credential and transport, and the workspace's names."""

    sdk: MLClient
    credential: TokenCredential
    transport: HttpTransport[Any, Any]
    subscription_id: str
    resource_group: str
    workspace_name: str

    def close(self) -> None:
        """Close the connections to Azure."""
        self.transport.close()
        if close := getattr(self.credential, "close", None):
            close()


def create_client(config: WorkspaceConfig, options: Mapping[str, Any]) -> WorkspaceClient:
    """Create the client. This function sends no request.

    Args:
        config: The names that identify the workspace, or the file that contains these names.
        options: Further arguments of MLClient.

    Raises:
        ConfigError: A name is missing, or the file cannot be read.
    """
    names = _workspace_names(config)
    credential = _credential(config)
    named_cloud = {"cloud": config.cloud.value} if config.cloud else {}
    settings = {"read_timeout": _READ_TIMEOUT_S, **named_cloud, **options}
    # MLClient has no `close` method. Its twenty inner clients share one transport. Keep a reference
    # to this transport, so that `WorkspaceClient.close` can close it.
    transport = settings.setdefault("transport", _Transport(**settings))
    with quiet():
        sdk = MLClient(
            credential,
            names["subscription_id"],
            names["resource_group"],
            names["workspace_name"],
            enable_telemetry=False,
            # If progress bars are off, the SDK ignores the error of a failed upload and waits for
            # the file forever. Therefore the bars are on, and `quiet` hides the bars.
            show_progress=True,
            **settings,
        )
    silence_loggers()
    return WorkspaceClient(sdk, credential, transport, **names)


def _workspace_names(config: WorkspaceConfig) -> dict[str, str]:
    given = {key: getattr(config, key) for key in _VARIABLES}
    if not all(given.values()):
        path = _config_file(config)
        content = _read(path) if path else {}
        given = {key: value or content.get(key) for key, value in given.items()}
    missing = [key for key, value in given.items() if not value]
    if missing:
        raise ConfigError(
            [
                f"workspace.{key}: must be given; set workspace.{key}=... or the environment "
                f"variable {_VARIABLES[key]}, or save the Azure portal's config.json in this folder"
                for key in missing
            ]
        )
    return {key: str(value) for key, value in given.items()}


def _config_file(config: WorkspaceConfig) -> Path | None:
    if config.config_file:
        return Path(config.config_file)
    here = Path.cwd()
    candidates = (folder / name for folder in (here, *here.parents) for name in _CONFIG_FILES)
    return next((path for path in candidates if path.is_file()), None)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            [f"workspace.config_file: must be Azure ML's config.json, got {path} ({error})"]
        ) from error
    return content if isinstance(content, dict) else {}


def _credential(config: WorkspaceConfig) -> TokenCredential:
    authority = {"authority": _AUTHORITIES[config.cloud]} if config.cloud else {}
    match config.credential:
        case Credential.interactive:
            return InteractiveBrowserCredential(**authority)
        case Credential.cli:
            return AzureCliCredential()
        case Credential.managed_identity:
            return ManagedIdentityCredential(client_id=os.environ.get("AZURE_CLIENT_ID"))
        case Credential.environment:
            return EnvironmentCredential(**authority)
        case Credential.default:
            return DefaultAzureCredential(**authority)
