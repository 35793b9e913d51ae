"""Create the SDK's client for the workspace that the config names, and sign in to Azure."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests
from azure.ai.ml import MLClient
from azure.core.pipeline.transport import HttpTransport, RequestsTransport
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

from mnist_exp.config import WorkspaceConfig
from mnist_exp.errors import ConfigError, ServiceError
from mnist_exp.workspaces.azure.config_file import names_in_config_file
from mnist_exp.workspaces.azure.network import network_fault
from mnist_exp.workspaces.azure.retries import RetryPolicy
from mnist_exp.workspaces.azure.sdk_output import quiet, silence_loggers
from mnist_exp.workspaces.azure.sign_in import SignIn

#: Key in the config -> environment variable that usually contains the value.
_VARIABLES = {
    "subscription_id": "AZURE_SUBSCRIPTION_ID",
    "resource_group": "AZURE_RESOURCE_GROUP",
    "workspace_name": "AZUREML_WORKSPACE_NAME",
}
#: Environment variable with the address of the list of Azure's clouds.
_METADATA_URL = "ARM_CLOUD_METADATA_URL"
#: Maximum number of seconds to wait for an answer from Azure. After this time, the SDK or
#: `retries.py` repeats the request.
_READ_TIMEOUT_S = 120
#: Maximum number of seconds to wait for the list of clouds.
_METADATA_TIMEOUT_S = 30


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
    credential: SignIn
    transport: HttpTransport[Any, Any]
    subscription_id: str
    resource_group: str
    workspace_name: str

    @property
    def resource_manager(self) -> str:
        """The address of Azure's resource manager, which answers most requests."""
        return str(self.sdk._base_url).rstrip("/")

    def close(self) -> None:
        """Close the connections to Azure."""
        self.transport.close()
        self.credential.close()


def create_client(
    config: WorkspaceConfig, options: Mapping[str, Any], retries: RetryPolicy
) -> WorkspaceClient:
    """Create the client. This function sends no request to the workspace.

    Args:
        config: The names that identify the workspace, or the file that contains these names.
        options: Further arguments of MLClient.
        retries: Rules for repeating failed calls, and the function that prints a line.

    Raises:
        ConfigError: A name is missing, or a file or an address is not valid.
    """
    names = _workspace_names(config, retries.message)
    credential = SignIn(config, retries.message)
    if _METADATA_URL in os.environ:
        _check_metadata(os.environ[_METADATA_URL], retries)
    named_cloud = {"cloud": config.cloud.value} if config.cloud else {}
    settings = {"read_timeout": _READ_TIMEOUT_S, **named_cloud, **options}
    # MLClient has no `close` method. Its twenty inner clients share one transport. Keep a reference
    # to this transport, so that `WorkspaceClient.close` can close it.
    transport = settings.setdefault("transport", _Transport(**settings))
    silence_loggers()
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


def _check_metadata(url: str, retries: RetryPolicy) -> None:
    """Check that an address answers with a list of clouds. The SDK ignores all other answers."""

    def refusal(why: str, first: str = "") -> ConfigError:
        return ConfigError(
            [
                f"{_METADATA_URL}: must be the address of a cloud's metadata, got {url}{why}; "
                f"{first}correct or unset {_METADATA_URL}"
            ]
        )

    def get() -> requests.Response:
        found = requests.get(url, timeout=_METADATA_TIMEOUT_S)
        if found.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            found.raise_for_status()
        return found

    try:
        # A wrong address fails here, before a proxy is used.
        requests.Session().get_adapter(str(requests.Request("GET", url).prepare().url))
    except (MissingSchema, InvalidURL, InvalidSchema) as error:
        raise refusal("") from error
    try:
        response = retries.call(_METADATA_URL, get)
    except ServiceError as error:
        cause = error.__cause__ or error
        if network_fault(cause):
            raise
        status = getattr(getattr(cause, "response", None), "status_code", None)
        why = f"answers with status {status}" if status else "does not answer"
        raise refusal(f", which {why}", "check the network, or ") from error
    try:
        clouds = response.json()
        found = clouds if isinstance(clouds, list) else [clouds]
        is_valid = bool(found) and all("resourceManager" in cloud for cloud in found)
    except (ValueError, TypeError):
        is_valid = False
    if not is_valid:
        raise refusal(", which answers something else")


def _workspace_names(config: WorkspaceConfig, message: Callable[[str], None]) -> dict[str, str]:
    given = {key: getattr(config, key) for key in _VARIABLES}
    if not all(given.values()):
        content = names_in_config_file(config.config_file, message)
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
