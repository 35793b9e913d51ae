"""Send one scoring request to an endpoint, and explain why a request failed."""

import json
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from mnist_exp.errors import EndpointError
from mnist_exp.serving.files import EndpointState, last_lines
from mnist_exp.workspaces.local.endpoints.front_client import ensure_front, replace_front
from mnist_exp.workspaces.local.endpoints.results import deployment_result, scoring_uri
from mnist_exp.workspaces.local.endpoints.state_files import EndpointFolder

#: Number of last log lines that are searched for the cause of a failed request.
_SEARCHED_LINES = 1000
#: Seconds that are added to the longest time limit of the deployments. The client waits for a
#: response until the sum of both times is over.
_MARGIN_S = 10.0
_DEPLOYMENT_HEADER = "azureml-model-deployment"


class _ResponseError(Exception):
    """A response whose status is not 200.

    Args:
        status: The HTTP status.
        message: The error message in the response.
        request_id: The id of the request. Log lines about the request contain this id.
        deployment: The deployment that answered; empty if no deployment answered.
    """

    def __init__(self, status: int, message: str, request_id: str, deployment: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.request_id = request_id
        self.deployment = deployment


class _UnreachedError(EndpointError):
    """The connection failed, or the connection closed before a response arrived."""


@dataclass(frozen=True)
class _ScoringRequest:
    """A scoring request.

    Attributes:
        where: The prefix of error messages, with the endpoint's name.
        deployment: The deployment that must answer. If None, the front chooses a deployment by the
            traffic percentages.
        timeout_s: The longest time limit of the endpoint's deployments, in seconds.
        key: The key or token.
    """

    where: str
    uri: str
    deployment: str | None
    timeout_s: float
    key: str = field(repr=False)
    body: bytes = field(repr=False)


def invoke_endpoint(
    folder: EndpointFolder, saved: EndpointState, body: bytes, deployment: str | None
) -> object:
    """Send one scoring request and return the parsed response.

    Raises:
        EndpointError: No deployment can answer, or the response is an error.
    """
    known = folder.deployments()
    where = f"endpoint {saved.name}"
    if deployment is not None and deployment not in known:
        listed = ", ".join(known) or "none; deploy first"
        raise EndpointError(
            f"{where}, deployment {deployment}: 404, no such deployment; "
            f"existing deployments: {listed}"
        )
    if not known:
        raise EndpointError(
            f"{where}: 404, nothing is deployed; "
            f"deploy first with: mnist-exp stage=deploy endpoint.name={saved.name}"
        )
    if deployment is None and not saved.traffic:
        raise EndpointError(
            f"{where}: 404, no deployment has traffic; set traffic with stage=deploy "
            f"'endpoint.traffic={{{known[0]}: 100}}', or choose a deployment with "
            f"endpoint.invoke_deployment={known[0]}"
        )
    try:
        return _score(folder, saved, body, deployment)
    except _UnreachedError:
        # If the front was killed before it answered, no client got a response. Send the request
        # once more.
        if not replace_front(folder):
            raise
        return _score(folder, saved, body, deployment)


def _score(
    folder: EndpointFolder, saved: EndpointState, body: bytes, deployment: str | None
) -> object:
    # Start the front before the key is sent. If the front has ended, another program may listen on
    # the front's port and would receive the key.
    ensure_front(folder)
    request = _ScoringRequest(
        where=f"endpoint {saved.name}",
        uri=scoring_uri(saved),
        deployment=deployment,
        timeout_s=_longest_timeout_s(folder),
        key=_key(folder, saved),
        body=body,
    )
    try:
        return _send(request)
    except _ResponseError as error:
        raise EndpointError(_explained(folder, saved.name, error), error.status) from error


def _key(folder: EndpointFolder, saved: EndpointState) -> str:
    keys = folder.keys()
    return keys.primary if saved.auth_mode == "key" else keys.token


def _longest_timeout_s(folder: EndpointFolder) -> float:
    deployments = [folder.deployment(name).load() for name in folder.deployments()]
    return max((one.request_timeout_ms for one in deployments if one), default=5000) / 1000


def _send(request: _ScoringRequest) -> object:
    """Send the request and return the parsed response.

    Raises:
        _ResponseError: The status of the response is not 200.
        _UnreachedError: The connection failed, or the connection closed before a response arrived.
        EndpointError: No response came in time, or the response is not JSON.
    """
    headers = {
        "authorization": f"Bearer {request.key}",
        "content-type": "application/json",
    }
    if request.deployment is not None:
        headers[_DEPLOYMENT_HEADER] = request.deployment
    where, uri = request.where, request.uri
    try:
        with _client(request.timeout_s + _MARGIN_S) as client:
            response = client.post(uri, content=request.body, headers=headers)
    except httpx.TimeoutException as error:
        raise EndpointError(
            f"{where}: no response from {uri} within {request.timeout_s + _MARGIN_S:g} s; "
            "see the endpoint's log"
        ) from error
    # The text of this error contains no headers and no body, and therefore no key.
    except httpx.TransportError as error:
        raise _UnreachedError(
            f"{where}: the connection to {uri} failed ({error}); see the endpoint's log"
        ) from error
    if response.status_code != httpx.codes.OK:
        request_id = response.headers.get("x-ms-request-id", "")
        deployment = response.headers.get(_DEPLOYMENT_HEADER, "")
        raise _ResponseError(response.status_code, _message(response), request_id, deployment)
    return _parsed(response, where)


def _client(timeout_s: float) -> httpx.Client:
    """Return a client for endpoints at 127.0.0.1, which speak HTTP without TLS."""
    # By default, httpx loads all certificate authorities, which takes 30 ms.
    no_authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # With trust_env=False, httpx ignores proxies that environment variables name. A proxy cannot
    # reach 127.0.0.1 of this machine.
    return httpx.Client(verify=no_authorities, trust_env=False, timeout=timeout_s)


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join(response.text[:200].split()) or response.reason_phrase


def _parsed(response: httpx.Response, where: str) -> object:
    try:
        parsed: object = json.loads(response.content)
    except (ValueError, RecursionError) as error:
        raise EndpointError(
            f"{where}: the response must be JSON ({error}); "
            "return JSON from run(), or call the endpoint with curl"
        ) from error
    return parsed


def _explained(folder: EndpointFolder, name: str, error: _ResponseError) -> str:
    answered = f"endpoint {name}: answered {error}"
    if error.deployment not in folder.deployments():
        return answered
    deployment = deployment_result(folder, error.deployment)
    log = deployment.log or ""
    cause = _cause(Path(log), error.request_id) or (deployment.why and f"; {deployment.why}")
    return (
        f"endpoint {name}, deployment {deployment.name}: answered {error}{cause}; "
        f"log: {log or folder.front_log}"
    )


def _cause(log: Path, request_id: str) -> str:
    """Return the text `; run() raised ...` for an error message; empty if the cause is unknown.

    The response does not contain the exception of `run`. This function therefore searches the log
    for the exception.
    """
    if not request_id:
        return ""
    pattern = re.compile(rf"request {re.escape(request_id)} failed: (.*)")
    for line in reversed(last_lines(log, _SEARCHED_LINES)):
        if found := pattern.search(line):
            return f"; run() raised {found[1]}"
    return ""
