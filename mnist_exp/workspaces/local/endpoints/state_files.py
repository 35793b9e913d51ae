"""Save the state of endpoints in files, and load the state from the files.

If a command is killed while it writes a file, the file keeps its previous content.
"""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import IO, Any, TypeVar, get_args, get_origin, get_type_hints

from mnist_exp.errors import NotFoundError, OutputsError, RefusedError
from mnist_exp.file_locks import try_lock
from mnist_exp.records import INVALID_JSON, write_json
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
from mnist_exp.workspaces.local.endpoints.server_processes import (
    ProcessId,
    serves_another,
)

T = TypeVar("T")

#: Number of random bytes of a key. As text, a key has 64 characters.
_KEY_BYTES = 48


class ProvisioningState(StrEnum):
    """Azure ML's names for the state of an endpoint or a deployment."""

    CREATING = "Creating"
    UPDATING = "Updating"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True)
class DeploymentState:
    """The content of `deployment.json`: the revision that serves.

    If no revision has ever served, the content describes the last revision that failed.

    Attributes:
        name: The deployment's name.
        provisioning_state: Succeeded or Failed.
        model: The model, as `name:version`.
        revision: The revision's number. The revision's folder in `revisions` has the same name.
        request_timeout_ms: The time limit of a request in milliseconds.
        why: The reason if `provisioning_state` is Failed; otherwise empty.
        fingerprint: A hash of the revision's code, model and settings.
    """

    name: str
    provisioning_state: str
    model: str
    revision: int
    request_timeout_ms: int = 5000
    why: str = ""
    fingerprint: str = ""

    @property
    def is_deployed(self) -> bool:
        """Whether the saved revision serves."""
        return self.provisioning_state == ProvisioningState.SUCCEEDED


class DeploymentFolder:
    """The files of one deployment.

    Args:
        path: `<endpoint>/deployments/<name>`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state_file = path / DEPLOYMENT_FILE
        self._claim_file = path / "deploying.json"

    def load(self) -> DeploymentState | None:
        """Return the saved state; None until the first revision is deployed or has failed."""
        return _load(self.state_file, lambda raw: DeploymentState(**raw))

    def save(self, saved: DeploymentState) -> None:
        """Save the deployment's state.

        If the state is Succeeded, the saved number tells the front which revision must serve.
        """
        write_json(self.state_file, asdict(saved))

    def failure(self, number: int) -> str:
        """Return why a revision failed after its deployment; empty if the revision did not fail."""
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
        """Mark the deployment as claimed by a command that creates a revision.

        The claim file is deleted when the context ends.

        Args:
            deployer: The identity of the command's process.
        """
        write_json(self._claim_file, asdict(deployer))
        try:
            yield
        finally:
            self._claim_file.unlink(missing_ok=True)

    @property
    def is_claimed(self) -> bool:
        """Whether a running command is creating a revision."""
        deployer = _load(self._claim_file, lambda raw: ProcessId(**raw))
        return deployer is not None and deployer.is_alive


class EndpointFolder:
    """The files of one endpoint.

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
        """Return the saved state; None if the endpoint does not exist."""
        return _load(self.state_file, lambda raw: EndpointState(**raw))

    def save(self, saved: EndpointState) -> None:
        """Save the endpoint's state. Create keys if the endpoint has no keys."""
        if not self.keys_file.exists():
            self._save_keys(Credentials(_new_key(), _new_key()))
        write_json(self.state_file, asdict(saved))

    def keys(self) -> Credentials:
        """Return the keys and the token. Renew the token if half of its lifetime is over.

        Raises:
            NotFoundError: The file with the keys was deleted or is damaged.
        """
        keys = _load(self.keys_file, lambda raw: Credentials(**raw))
        if keys is None:
            raise NotFoundError(
                f"{self.keys_file}: must exist, but the file was deleted; "
                "delete the endpoint and create the endpoint again"
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
        # Omit the token's fields if there is no token.
        known = {name: value for name, value in asdict(keys).items() if value}
        write_json(self.keys_file, known, 0o600)

    def front(self) -> ProcessId | None:
        """Return the identity of the front process; None if the front does not run.

        If the user copies an outputs folder, `front.json` in the copy names the front of the other
        folder. That front does not serve the copy, so the result is None.
        """
        process = _load(self.path / FRONT_FILE, lambda raw: ProcessId(**raw))
        if process is None or not process.is_alive or serves_another(process, self.path):
            return None
        return process

    def deployment(self, name: str) -> DeploymentFolder:
        """Return a deployment's folder. The folder may be missing."""
        return DeploymentFolder(self._deployments / name)

    def deployments(self) -> list[str]:
        """Return the names of all deployments, including deployments that never got ready."""
        if not self._deployments.is_dir():
            return []
        return sorted(path.name for path in self._deployments.iterdir())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the endpoint during the context, so that no other command can change the endpoint.

        If this process is killed, the kernel releases the lock.

        Raises:
            RefusedError: Another command is changing the endpoint.
        """
        while True:
            self.path.mkdir(parents=True, exist_ok=True)
            with (self.path / LOCK_FILE).open("a") as file:
                if not try_lock(file, fcntl.LOCK_EX):
                    raise RefusedError(
                        f"{self.path}: another command is changing this endpoint; "
                        "wait until that command has ended, or cancel it"
                    )
                # Another command may have deleted the folder after this command opened the file.
                if _is_at(file, self.path / LOCK_FILE):
                    yield
                    return

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Ensure that only one command at a time starts the front. Wait for other commands."""
        with (self.path / ".starting").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@contextmanager
def outputs_errors(where: Path) -> Iterator[None]:
    """Convert errors of the file system to an error that names the file and a remedy.

    Args:
        where: The path for the message if the error of the file system contains no path.

    Raises:
        OutputsError: A file could not be written or read.
    """
    try:
        yield
    except OSError as error:
        remedy = "make space on the disk, fix the permissions"
        if isinstance(error, FileExistsError | NotADirectoryError):
            remedy = "rename or delete the file or link at this path"
        raise OutputsError(
            f"{error.filename or where}: must be readable and writable "
            f"({error.strerror or error}); {remedy}, or choose another folder with outputs_dir=DIR"
        ) from error


def _is_at(file: IO[str], path: Path) -> bool:
    """Return whether a path is still the path of an open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _new_key() -> str:
    return secrets.token_urlsafe(_KEY_BYTES)


def _load(path: Path, build: Callable[[dict[str, Any]], T]) -> T | None:
    try:
        built = build(json.loads(path.read_text(encoding="utf-8")))
        _check_types(built)
        return built
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (TypeError, KeyError, *INVALID_JSON) as error:
        # The message must not contain the content of the file, because the file may contain keys.
        raise NotFoundError(
            f"{path}: must be unchanged since mnist-exp wrote the file, but the file is damaged "
            f"({type(error).__name__}); delete the endpoint and deploy again"
        ) from None


def _check_types(built: object) -> None:
    """Raise a TypeError if a field of a dataclass has another type than its annotation."""
    for name, annotation in get_type_hints(type(built)).items():
        options = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
        types = tuple(get_origin(option) or option for option in options)
        # An integer is also a valid number for a field with the type float.
        if not isinstance(getattr(built, name), (*types, int) if float in types else types):
            raise TypeError(f"{name} has a wrong type")
