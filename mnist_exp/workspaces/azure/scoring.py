"""Send scoring requests through the SDK, and explain their errors."""

import json
import tempfile
from pathlib import Path
from typing import Any

from azure.ai.ml.constants._endpoint import EndpointInvokeFields
from azure.core.exceptions import HttpResponseError

from mnist_exp.errors import EndpointError
from mnist_exp.workspaces.azure.network import error_text
from mnist_exp.workspaces.azure.retries import RetryPolicy
from mnist_exp.workspaces.azure.workspace_client import WorkspaceClient

#: HTTP status of the answer to a scoring request -> cause and remedy.
#: https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints
_MEANINGS = {
    401: "the key was not accepted",
    403: "the caller does not have the necessary role on the endpoint",
    404: (
        "no deployment has traffic, or the named deployment does not exist; run stage=deploy, set "
        "endpoint.traffic, or name an existing deployment with endpoint.invoke_deployment"
    ),
    408: (
        "the deployment did not answer in time; raise "
        "endpoint.deployment.request_settings.request_timeout_ms"
    ),
    424: "the scoring script failed; its log gives the reason",
    429: "too many requests at once; raise endpoint.deployment.instance_count",
}


def invoke_endpoint(
    client: WorkspaceClient,
    retries: RetryPolicy,
    endpoint: str,
    body: bytes,
    deployment: str | None,
) -> object:
    """Send one scoring request and return the parsed answer.

    Raises:
        EndpointError: The answer is an error, or is not JSON.
    """
    where = f"endpoint {endpoint}" + (f", deployment {deployment}" if deployment else "")

    def send() -> str:
        # The SDK writes the key and the deployment's name into a dictionary that all calls share.
        # Therefore restore the dictionary after the call.
        shared = dict(EndpointInvokeFields.DEFAULT_HEADER)
        try:
            return _send(client, endpoint, body, deployment)
        except HttpResponseError as error:
            request: Any = getattr(error.response, "request", None)
            # A request to an address without `/score` was sent to Azure's resource manager, not to
            # the endpoint. Let `retries` handle the error of such a request.
            if "/score" not in str(getattr(request, "url", "")):
                raise
            raise _endpoint_error(where, error) from error
        finally:
            EndpointInvokeFields.DEFAULT_HEADER.clear()
            EndpointInvokeFields.DEFAULT_HEADER.update(shared)

    text = retries.call(where, send, wait="waiting for the answer of the endpoint")
    try:
        answer: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EndpointError(f"{where}: the answer must be JSON, got {text[:80]}") from error
    return answer


def _send(client: WorkspaceClient, endpoint: str, body: bytes, deployment: str | None) -> str:
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(body)
        file.flush()
        return str(
            client.sdk.online_endpoints.invoke(
                endpoint, request_file=str(Path(file.name)), deployment_name=deployment
            )
        )


def _endpoint_error(where: str, error: HttpResponseError) -> EndpointError:
    status = error.status_code or 0
    headers = getattr(error.response, "headers", {})
    reason = headers.get("ms-azureml-model-error-reason")
    inner = f" ({headers.get('ms-azureml-model-error-statuscode')}, {reason})" if reason else ""
    meaning = _MEANINGS.get(status) or error_text(error)
    return EndpointError(f"{where}: answered {status}{inner}: {meaning}", status)
