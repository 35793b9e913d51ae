"""One scoring request to an endpoint, as any HTTP client would send it."""

import json
from dataclasses import dataclass, field

import httpx

from mnist_exp.errors import EndpointError

#: Seconds beyond the deployment's own limit, after which nothing will come any more.
_MARGIN_S = 10.0
_DEPLOYMENT_HEADER = "azureml-model-deployment"


class ServiceError(Exception):
    """The service answered with another status than 200.

    Args:
        status: The HTTP status.
        message: The service's own words.
        request_id: By which the request is found in the log.
        deployment: Who answered; empty if none did.
    """

    def __init__(self, status: int, message: str, request_id: str, deployment: str) -> None:
        super().__init__(f"{status}: {message}")
        self.request_id = request_id
        self.deployment = deployment


class UnreachedError(EndpointError):
    """No process took the request and answered it."""


@dataclass(frozen=True)
class Call:
    """A scoring request.

    Attributes:
        where: How an error names the endpoint.
        deployment: Who is to answer; None leaves that to the traffic.
        timeout_s: The longest limit of its deployments.
    """

    where: str
    uri: str
    deployment: str | None
    timeout_s: float
    key: str = field(repr=False)
    body: bytes = field(repr=False)


def send(call: Call) -> object:
    """Send the request and return the parsed answer.

    Raises:
        ServiceError: The service refused or failed.
        UnreachedError: The connection failed, or ended without an answer.
        EndpointError: No answer came in time, or it was not JSON.
    """
    headers = {
        "authorization": f"Bearer {call.key}",
        "content-type": "application/json",
    }
    if call.deployment is not None:
        headers[_DEPLOYMENT_HEADER] = call.deployment
    try:
        # Without the environment's proxies: they do not know our 127.0.0.1.
        with httpx.Client(trust_env=False, timeout=call.timeout_s + _MARGIN_S) as client:
            reply = client.post(call.uri, content=call.body, headers=headers)
    except httpx.TimeoutException as error:
        raise EndpointError(f"{call.where}: no answer from {call.uri}; see its log") from error
    # The text of the error names neither headers nor body.
    except httpx.TransportError as error:
        raise UnreachedError(
            f"{call.where}: the connection to {call.uri} failed ({error}); see its log"
        ) from error
    if reply.status_code != httpx.codes.OK:
        request_id = reply.headers.get("x-ms-request-id", "")
        deployment = reply.headers.get(_DEPLOYMENT_HEADER, "")
        raise ServiceError(reply.status_code, _message(reply), request_id, deployment)
    return _parsed(reply, call.where)


def _message(reply: httpx.Response) -> str:
    try:
        return str(reply.json()["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join(reply.text[:200].split()) or reply.reason_phrase


def _parsed(reply: httpx.Response, where: str) -> object:
    try:
        parsed: object = json.loads(reply.content)
    except ValueError as error:
        raise EndpointError(f"{where}: the answer must be JSON ({error})") from error
    return parsed
