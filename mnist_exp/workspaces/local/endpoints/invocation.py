"""A request to an endpoint: who answers it, and what its errors mean to a person."""

import random
import re
from pathlib import Path

from mnist_exp.errors import EndpointError
from mnist_exp.workspaces.local.endpoints.client import (
    Call,
    ServiceError,
    UnreachedError,
    send,
)
from mnist_exp.workspaces.local.endpoints.state import current_state, scoring_uri
from mnist_exp.workspaces.local.endpoints.store import (
    DeploymentFolder,
    EndpointFolder,
    EndpointRecord,
)
from mnist_exp.workspaces.local.endpoints.tail import last_lines
from mnist_exp.workspaces.local.endpoints.traffic import draw

__all__ = ["invoke_endpoint"]

#: Lines of the log among which the reason of a failed request is looked for.
SEARCHED_LINES = 1000

_generator = random.SystemRandom()


def invoke_endpoint(
    folder: EndpointFolder, record: EndpointRecord, body: bytes, deployment: str | None
) -> object:
    """Send one scoring request and return the parsed answer.

    Raises:
        EndpointError: There is nobody to answer, or the answer is an error.
    """
    chosen = deployment or _drawn(folder, record)
    files = _files(folder, record.name, chosen)
    before = files.load()
    try:
        return _answer(folder, record.name, files, body)
    except UnreachedError:
        # Replaced while we asked: the old process answers what it has taken before it ends, so
        # it had not taken this one.
        if files.load() == before:
            raise
        return _answer(folder, record.name, files, body)


def _answer(folder: EndpointFolder, name: str, files: DeploymentFolder, body: bytes) -> object:
    call, log = _call(folder, name, files, body)
    try:
        return send(call)
    except ServiceError as error:
        cause = _cause(log, error.request_id)
        raise EndpointError(f"{call.where}: answered {error}{cause}; log: {log}") from error


def _drawn(folder: EndpointFolder, record: EndpointRecord) -> str:
    chosen = draw(record.traffic, _generator)
    if chosen is None:
        example = next(iter(folder.deployments()), "<deployment>")
        raise EndpointError(
            f"endpoint {record.name}: 404, no deployment has traffic; "
            f"set endpoint.traffic={{{example}: 100}}, or name a deployment"
        )
    return chosen


def _files(folder: EndpointFolder, name: str, deployment: str) -> DeploymentFolder:
    known = folder.deployments()
    if deployment not in known:
        listed = ", ".join(known) or "none"
        raise EndpointError(
            f"{_where(name, deployment)}: 404, no such deployment; there are: {listed}"
        )
    return folder.deployment(deployment)


def _where(name: str, deployment: str) -> str:
    return f"endpoint {name}, deployment {deployment}"


def _call(
    folder: EndpointFolder, name: str, files: DeploymentFolder, body: bytes
) -> tuple[Call, Path]:
    deployment = files.path.name
    where = _where(name, deployment)
    record = files.load()
    # Asked before anything is sent: the port may be another program's by now, and the key is not.
    if record is None or not record.is_alive:
        raise UnreachedError(f"{where}: does not answer: {current_state(files)[1]}")
    call = Call(
        where=where,
        uri=scoring_uri(record) or "",
        deployment=deployment,
        timeout_s=record.request_timeout_ms / 1000,
        key=folder.keys().primary,
        body=body,
    )
    return call, files.log(record.revision)


def _cause(log: Path, request_id: str) -> str:
    """Return what `run` raised: the answer does not say it, but this is the user's own log."""
    if not request_id:
        return ""
    pattern = re.compile(rf"request {re.escape(request_id)} failed: (.*)")
    for line in reversed(last_lines(log, SEARCHED_LINES)):
        if found := pattern.search(line):
            return f"; run() raised {found[1]}"
    return ""
