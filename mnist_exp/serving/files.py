"""The files of an endpoint. Commands and the front (the server process) write and read these files.

The folder of an endpoint contains:

    endpoint.json       the fields of EndpointState
    keys.json           the fields of Credentials; only the owner can read this file
    front.json          the identity of the front's process
    front.sock          the socket on which the front receives control requests
    front.log           the log of the front
    .lock               the file that a command locks while the command changes the endpoint
    deployments/<name>/
      deployment.json   the saved state of the deployment, such as the number of its revision
      failure.json      the reason why the front has given up a revision
      revisions/<n>/    the code, model, settings and log of a revision
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
#: Prefix for the name of a folder that is being deleted. The name of an endpoint never begins with
#: a dot.
DELETED = ".deleted-"
#: Provisioning state of a deployment that is complete. The front starts its saved revision.
SUCCEEDED = "Succeeded"
#: Maximum number of bytes that `last_lines` reads from the end of a log.
LOG_WINDOW = 256 * 1024


@dataclass(frozen=True)
class EndpointState:
    """The content of `endpoint.json`.

    Attributes:
        port: Port on 127.0.0.1; 0 before the front starts for the first time. After this start the
            port never changes.
        traffic: Deployment -> percent of the requests. Deployments with 0 percent are omitted.
        mirror_traffic: Deployment -> percent of the requests that are also copied to this
            deployment.
        token_lifetime: Seconds for which a new token is valid.
        expires: Unix time in seconds at which the front deletes the endpoint; None for never.
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
    """The content of `keys.json`. The `repr` does not show the secrets.

    Attributes:
        primary: If auth_mode is key, clients send this key. If auth_mode is aml_token, this key
            signs the tokens.
        token: The latest token; empty if auth_mode is key.
        token_expires: Unix time in seconds at which the latest token expires.
    """

    primary: str = field(repr=False)
    secondary: str = field(repr=False)
    token: str = field(default="", repr=False)
    token_expires: float = 0


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file, or None if the file does not exist."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found


def replace_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file in one step, so that no process can read an incomplete file.

    The folder must exist.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(value, indent=2) + "\n")
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last lines of a log; empty if the log does not exist.

    At most the last LOG_WINDOW bytes of the log are read.
    """
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_WINDOW))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return lines[-count:] if count > 0 else []
