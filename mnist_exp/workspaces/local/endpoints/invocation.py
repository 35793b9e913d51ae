"""A request to an endpoint, and what its errors mean to a person."""

import re
from pathlib import Path

from mnist_exp.errors import EndpointError
from mnist_exp.serving.files import EndpointRecord, last_lines
from mnist_exp.workspaces.local.endpoints.client import Call, ServiceError, UnreachedError, send
from mnist_exp.workspaces.local.endpoints.front_client import ensure_front
from mnist_exp.workspaces.local.endpoints.readout import deployment_now, scoring_uri
from mnist_exp.workspaces.local.endpoints.state_files import EndpointFolder

#: Lines of the log among which the reason of a failed request is looked for.
_SEARCHED_LINES = 1000


def invoke_endpoint(
    folder: EndpointFolder, record: EndpointRecord, body: bytes, deployment: str | None
) -> object:
    """Send one scoring request and return the parsed answer.

    Raises:
        EndpointError: There is nobody to answer, or the answer is an error.
    """
    known = folder.deployments()
    where = f"endpoint {record.name}"
    if deployment is not None and deployment not in known:
        listed = ", ".join(known) or "none; deploy first"
        raise EndpointError(
            f"{where}, deployment {deployment}: 404, no such deployment; there are: {listed}"
        )
    if not known:
        raise EndpointError(
            f"{where}: 404, nothing is deployed; "
            f"deploy first with mnist-exp stage=deploy endpoint.name={record.name}"
        )
    if deployment is None and not record.traffic:
        raise EndpointError(
            f"{where}: 404, no deployment has traffic; set some with stage=deploy "
            f"'endpoint.traffic={{{known[0]}: 100}}', or ask one past the traffic with "
            f"endpoint.invoke_deployment={known[0]}"
        )
    try:
        return _answer(folder, record, body, deployment)
    except UnreachedError:
        # The front was killed while it was asked: what it had not answered, nobody has heard.
        if not ensure_front(folder):
            raise
        return _answer(folder, record, body, deployment)


def _answer(
    folder: EndpointFolder, record: EndpointRecord, body: bytes, deployment: str | None
) -> object:
    # Before anything is sent: the port may be another program's by now, and the key is not.
    ensure_front(folder)
    call = Call(
        where=f"endpoint {record.name}",
        uri=scoring_uri(record),
        deployment=deployment,
        timeout_s=_longest_timeout_s(folder),
        key=_key(folder, record),
        body=body,
    )
    try:
        return send(call)
    except ServiceError as error:
        raise EndpointError(_explained(folder, record.name, error)) from error


def _key(folder: EndpointFolder, record: EndpointRecord) -> str:
    keys = folder.keys()
    return keys.primary if record.auth_mode == "key" else keys.token


def _longest_timeout_s(folder: EndpointFolder) -> float:
    records = [folder.deployment(name).load() for name in folder.deployments()]
    return max((one.request_timeout_ms for one in records if one), default=5000) / 1000


def _explained(folder: EndpointFolder, name: str, error: ServiceError) -> str:
    answered = f"endpoint {name}: answered {error}"
    if error.deployment not in folder.deployments():
        return answered
    deployment = deployment_now(folder, error.deployment)
    log = deployment.log or ""
    cause = _cause(Path(log), error.request_id) or (deployment.why and f"; {deployment.why}")
    return (
        f"endpoint {name}, deployment {deployment.name}: answered {error}{cause}; "
        f"log: {log or folder.front_log}"
    )


def _cause(log: Path, request_id: str) -> str:
    """Return what `run` raised: the answer does not say it, but this is the user's own log."""
    if not request_id:
        return ""
    pattern = re.compile(rf"request {re.escape(request_id)} failed: (.*)")
    for line in reversed(last_lines(log, _SEARCHED_LINES)):
        if found := pattern.search(line):
            return f"; run() raised {found[1]}"
    return ""
