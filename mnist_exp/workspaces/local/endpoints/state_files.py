"""The state of endpoints in files. Each file is written whole or not at all."""

import fcntl
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from mnist_exp.errors import NotFoundError, OutputsError, RefusedError
from mnist_exp.records import write_json
from mnist_exp.serving.access import AML_TOKEN, new_token
from mnist_exp.serving.files import (
    DEPLOYMENT_FILE,
    DEPLOYMENTS_FOLDER,
    ENDPOINT_FILE,
    FAILURE_FILE,
    FRONT_FILE,
    FRONT_LOG,
    KEYS_FILE,
    LOCK_FILE,
    REVISIONS_FOLDER,
    Credentials,
    EndpointState,
)
from mnist_exp.serving.settings import LOG_FILE
from mnist_exp.workspaces.local.endpoints.server_processes import ProcessId

T = TypeVar("T")

#: Random bytes of a key, which then has 64 characters.
_KEY_BYTES = 48


class ProvisioningState(StrEnum):
    """Azure ML's names for the state of an endpoint or a deployment."""

    CREATING = "Creating"
    UPDATING = "Updating"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True)
class DeploymentState:
    """`deployment.json`: the revision that serves, or why none does.

    Attributes:
        provisioning_state: Succeeded or Failed.
        model: The model, as `name:version`.
        revision: The revision's number, which names its folder in `revisions`.
        why: Why `provisioning_state` is Failed.
        fingerprint: A hash of the revision's code, model and settings.
    """

    name: str
    provisioning_state: str
    model: str
    revision: int
    instance_count: int = 1
    request_timeout_ms: int = 5000
    why: str = ""
    fingerprint: str = ""

    @property
    def is_deployed(self) -> bool:
        """Whether the saved revision serves."""
        return self.provisioning_state == ProvisioningState.SUCCEEDED


class DeploymentFolder:
    """One deployment's files.

    Args:
        path: `<endpoint>/deployments/<name>`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state_file = path / DEPLOYMENT_FILE
        self._claim_file = path / "deploying.json"

    def load(self) -> DeploymentState | None:
        """Return the saved state, None before the first revision is deployed or has failed."""
        return _load(self.state_file, lambda raw: DeploymentState(**raw))

    def save(self, saved: DeploymentState) -> None:
        """Write the saved state. The front serves the revision that the saved state names."""
        write_json(self.state_file, asdict(saved))

    def failure(self, number: int) -> str:
        """Return why the front gave up a revision; empty if the front did not."""
        raw = _load(self.path / FAILURE_FILE, dict)
        return str(raw["why"]) if raw and raw.get("revision") == number else ""

    def revision(self, number: int) -> Path:
        """Return a revision's folder."""
        return self.path / REVISIONS_FOLDER / str(number)

    def log(self, number: int) -> Path:
        """Return a revision's console log."""
        return self.revision(number) / LOG_FILE

    def revisions(self) -> list[int]:
        """Return the numbers of the revisions that have a folder."""
        folder = self.path / REVISIONS_FOLDER
        return sorted(int(path.name) for path in folder.iterdir()) if folder.is_dir() else []

    @contextmanager
    def claimed(self, deployer: ProcessId) -> Iterator[None]:
        """Note, for the duration of the context, that a command creates a revision."""
        write_json(self._claim_file, asdict(deployer))
        try:
            yield
        finally:
            self._claim_file.unlink(missing_ok=True)

    @property
    def is_claimed(self) -> bool:
        """Whether a running command creates a revision."""
        deployer = _load(self._claim_file, lambda raw: ProcessId(**raw))
        return deployer is not None and deployer.is_alive


class EndpointFolder:
    """One endpoint's files.

    Args:
        path: `<root>/<name>`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state_file = path / ENDPOINT_FILE
        self.keys_file = path / KEYS_FILE
        self.front_log = path / FRONT_LOG
        self._deployments = path / DEPLOYMENTS_FOLDER

    def load(self) -> EndpointState | None:
        """Return the saved state, None if the endpoint does not exist."""
        return _load(self.state_file, lambda raw: EndpointState(**raw))

    def save(self, saved: EndpointState) -> None:
        """Write the saved state, and create keys if the endpoint has none."""
        if not self.keys_file.exists():
            self._save_keys(Credentials(_new_key(), _new_key()))
        write_json(self.state_file, asdict(saved))

    def keys(self) -> Credentials:
        """Return the keys and the token; renew the token when half its lifetime is over.

        Raises:
            NotFoundError: Somebody deleted the file.
        """
        keys = _load(self.keys_file, lambda raw: Credentials(**raw))
        if keys is None:
            raise NotFoundError(
                f"{self.keys_file}: must exist, but was deleted; "
                "delete the endpoint and create it again"
            )
        saved = self.load()
        if saved is None or saved.auth_mode != AML_TOKEN:
            return keys
        if keys.token_expires - time.time() > saved.token_lifetime / 2:
            return keys
        return self._renewed(keys, saved)

    def regenerate(self, which: str) -> None:
        """Create a new primary or secondary key. A new primary key invalidates all tokens."""
        keys = self.keys()
        if which == "secondary":
            self._save_keys(replace(keys, secondary=_new_key()))
        else:
            self._save_keys(Credentials(_new_key(), keys.secondary))

    def _renewed(self, keys: Credentials, saved: EndpointState) -> Credentials:
        expires = time.time() + saved.token_lifetime
        token = new_token(keys.primary, saved.name, expires)
        renewed = replace(keys, token=token, token_expires=expires)
        self._save_keys(renewed)
        return renewed

    def _save_keys(self, keys: Credentials) -> None:
        # Leave out the token's fields if there is no token.
        known = {name: value for name, value in asdict(keys).items() if value}
        write_json(self.keys_file, known, 0o600)

    def front(self) -> ProcessId | None:
        """Return the identity of the front process, None if the front does not run."""
        process = _load(self.path / FRONT_FILE, lambda raw: ProcessId(**raw))
        return process if process is not None and process.is_alive else None

    def deployment(self, name: str) -> DeploymentFolder:
        """Return a deployment's folder, whether it exists or not."""
        return DeploymentFolder(self._deployments / name)

    def deployments(self) -> list[str]:
        """Return the names of all deployments, including those that never got ready."""
        if not self._deployments.is_dir():
            return []
        return sorted(path.name for path in self._deployments.iterdir())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands from changing the endpoint.

        If this process is killed, the kernel releases the lock.

        Raises:
            RefusedError: Another command is changing the endpoint.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOCK_FILE).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RefusedError(
                    f"{self.path}: another command is changing this endpoint; "
                    "wait until that command has ended, or cancel it"
                ) from error
            yield

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Let only one command at a time start the front; other commands wait."""
        with (self.path / ".starting").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@contextmanager
def outputs_errors(where: Path) -> Iterator[None]:
    """Turn errors of the file system into an error that names the file and a remedy.

    Args:
        where: The path to name if the error itself names no file.

    Raises:
        OutputsError: A file could not be written or read.
    """
    try:
        yield
    except OSError as error:
        raise OutputsError(
            f"{error.filename or where}: must be writable ({error.strerror or error}); "
            "free some space, or move everything with outputs_dir="
        ) from error


def _new_key() -> str:
    return secrets.token_urlsafe(_KEY_BYTES)


def _load(path: Path, build: Callable[[dict[str, Any]], T]) -> T | None:
    try:
        return build(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError) as error:
        # Do not quote the content: the file may contain the keys.
        raise NotFoundError(
            f"{path}: must be unchanged since mnist-exp wrote it, but reading it raised "
            f"{type(error).__name__}; delete the endpoint and deploy again"
        ) from None
