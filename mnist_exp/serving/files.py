"""The files of an endpoint, which commands write and the endpoint's front reads.

endpoint.json                      EndpointState
keys.json                          Credentials; mode 0600
front.json                         the process of the front
front.sock                         the socket on which the front takes control requests
deployments/<name>/deployment.json the saved state of the deployment: its revision
failure.json    why the front has given up a revision
revisions/<n>/  code, model, settings and log of a revision
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENDPOINT_FILE = "endpoint.json"
KEYS_FILE = "keys.json"
LOCK_FILE = ".lock"
FRONT_FILE = "front.json"
FRONT_LOG = "front.log"
FRONT_SOCKET = "front.sock"
DEPLOYMENTS_FOLDER = "deployments"
DEPLOYMENT_FILE = "deployment.json"
FAILURE_FILE = "failure.json"
REVISIONS_FOLDER = "revisions"
#: Prefix of a folder that is being deleted; no endpoint's name begins with a dot.
DELETED = ".deleted-"
#: Provisioning state of a deployment that has a revision to serve.
SUCCEEDED = "Succeeded"
#: Bytes at the end of a log in which `last_lines` looks.
LOG_WINDOW = 256 * 1024


@dataclass(frozen=True)
class EndpointState:
    """`endpoint.json`.

    Attributes:
        port: Port on 127.0.0.1, the same for the endpoint's whole life; 0 before its first start.
        traffic: Deployment -> percent of the requests, without deployments that have 0.
        mirror_traffic: Deployment -> percent of the requests of which it gets a copy.
        token_lifetime: Seconds for which a token opens the endpoint.
        expires: Seconds of Unix time at which the endpoint deletes itself; None for never.
    """

    name: str
    auth_mode: str = "key"
    description: str = ""
    port: int = 0
    traffic: Mapping[str, int] = field(default_factory=dict)
    mirror_traffic: Mapping[str, int] = field(default_factory=dict)
    token_lifetime: int = 3600
    expires: float | None = None


@dataclass(frozen=True)
class Credentials:
    """`keys.json`; `repr` never shows its values.

    Attributes:
        primary: Opens an endpoint with auth_mode key, and signs the tokens of aml_token.
        token: The latest token, for callers; empty with auth_mode key.
        token_expires: Seconds of Unix time.
    """

    primary: str = field(repr=False)
    secondary: str = field(repr=False)
    token: str = field(default="", repr=False)
    token_expires: float = 0


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a file, or None if there is no such file."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found


def replace_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a file completely or not at all; its folder must exist."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(value, indent=2) + "\n")
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last lines of a log of any length, or no lines if there is no such file."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_WINDOW))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return lines[-count:] if count > 0 else []
