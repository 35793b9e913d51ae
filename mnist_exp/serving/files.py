"""The files of an endpoint that commands write and its front reads.

endpoint.json                      EndpointRecord
keys.json                          Credentials; mode 0600
front.json                         which process is the front
front.sock                         where the front takes a command's wishes
deployments/<name>/deployment.json what is to serve: its revision
failure.json    why the front has given a revision up
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
#: Begins the name of a folder that is being deleted; no endpoint's name begins with a dot.
DELETED = ".deleted-"
#: The provisioning state of a deployment whose revision is to serve.
SUCCEEDED = "Succeeded"


@dataclass(frozen=True)
class EndpointRecord:
    """`endpoint.json`.

    Attributes:
        port: On 127.0.0.1, the same as long as the endpoint is there; 0 until it first listens.
        traffic: Deployment -> percent of the requests, none that is 0.
        mirror_traffic: Deployment -> percent of the requests that it gets a copy of.
        token_lifetime: Seconds for which a token opens the endpoint.
        expires: When the endpoint tears itself down, in seconds of Unix time; None: never.
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
    """`keys.json`; never shown by `repr`.

    Attributes:
        primary: Opens an endpoint whose auth_mode is key; signs the tokens of aml_token.
        token: The latest token, for those who call; empty with keys.
        token_expires: In seconds of Unix time.
    """

    primary: str = field(repr=False)
    secondary: str = field(repr=False)
    token: str = field(default="", repr=False)
    token_expires: float = 0


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a file, None if there is no such file."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found


def replace_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a file whole or not at all; its folder must be there."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(value, indent=2) + "\n")
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
