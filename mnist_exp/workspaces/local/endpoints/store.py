"""The state of endpoints: files, each written whole or not at all."""

import fcntl
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mnist_exp.errors import ConflictError, NotFoundError, OutputsError
from mnist_exp.records import write_json
from mnist_exp.workspaces.local.endpoints.processes import ProcessId

__all__ = [
    "DeploymentFolder",
    "DeploymentRecord",
    "EndpointFolder",
    "EndpointRecord",
    "Keys",
    "outputs_errors",
]

T = TypeVar("T")

#: Bytes of randomness in a key; 64 characters.
KEY_BYTES = 48


@dataclass(frozen=True)
class Keys:
    """An endpoint's keys; either opens it. Never shown by `repr`."""

    primary: str = field(repr=False)
    secondary: str = field(repr=False)


@dataclass(frozen=True)
class EndpointRecord:
    """`endpoint.json`."""

    name: str
    auth_mode: str = "key"
    description: str = ""
    traffic: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DeploymentRecord:
    """`deployment.json`: what serves, or why nothing does.

    Attributes:
        model: `name:version`.
        revision: The folder of the revision below `revisions`.
        process: The server; None if none ever got ready.
        why: Why `provisioning_state` is Failed.
        drain_s: Seconds that its requests under way get before it is killed.
    """

    name: str
    provisioning_state: str
    model: str
    revision: int
    port: int | None = None
    process: ProcessId | None = None
    why: str = ""
    request_timeout_ms: int = 0
    drain_s: int = 0

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.is_alive


class DeploymentFolder:
    """One deployment's files.

    Args:
        path: `<endpoint>/deployments/<name>`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record_file = path / "deployment.json"
        self._claim_file = path / "deploying.json"

    def load(self) -> DeploymentRecord | None:
        """Return the record; None while the first revision is being made."""
        return _load(self.record_file, _deployment_record)

    def save(self, record: DeploymentRecord) -> None:
        """Write the record: from now on its process is the one that serves."""
        write_json(self.record_file, asdict(record))

    def revision(self, number: int) -> Path:
        """Return a revision's folder."""
        return self.path / "revisions" / str(number)

    def log(self, number: int) -> Path:
        """Return a revision's console log."""
        return self.revision(number) / "console.log"

    def revisions(self) -> list[int]:
        """Return the numbers of the revisions that have left files."""
        folder = self.path / "revisions"
        return sorted(int(path.name) for path in folder.iterdir()) if folder.is_dir() else []

    @contextmanager
    def claimed(self, deployer: ProcessId) -> Iterator[None]:
        """Say, while it lasts, that this command is making a revision."""
        write_json(self._claim_file, asdict(deployer))
        try:
            yield
        finally:
            self._claim_file.unlink(missing_ok=True)

    @property
    def is_claimed(self) -> bool:
        """Whether a command that still runs is making a revision."""
        deployer = _load(self._claim_file, lambda raw: ProcessId(**raw))
        return deployer is not None and deployer.is_alive


class EndpointFolder:
    """One endpoint's files.

    Args:
        path: `<root>/<name>`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record_file = path / "endpoint.json"
        self.keys_file = path / "keys.json"
        self._deployments = path / "deployments"

    def load(self) -> EndpointRecord | None:
        """Return the record, None if there is no such endpoint."""
        return _load(self.record_file, lambda raw: EndpointRecord(**raw))

    def save(self, record: EndpointRecord) -> None:
        """Write the record, and keys if there are none yet."""
        if not self.keys_file.exists():
            keys = Keys(secrets.token_urlsafe(KEY_BYTES), secrets.token_urlsafe(KEY_BYTES))
            write_json(self.keys_file, asdict(keys), 0o600)
        write_json(self.record_file, asdict(record))

    def keys(self) -> Keys:
        """Return the keys.

        Raises:
            NotFoundError: Somebody removed the file.
        """
        keys = _load(self.keys_file, lambda raw: Keys(**raw))
        if keys is None:
            raise NotFoundError(f"{self.keys_file}: gone; delete the endpoint and make it again")
        return keys

    def deployment(self, name: str) -> DeploymentFolder:
        """Return a deployment's folder, whether it exists or not."""
        return DeploymentFolder(self._deployments / name)

    def deployments(self) -> list[str]:
        """Return the names of all deployments, also of those that never got ready."""
        if not self._deployments.is_dir():
            return []
        return sorted(path.name for path in self._deployments.iterdir())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands from changing the endpoint; the kernel lets go if we die.

        Raises:
            ConflictError: Another command is changing it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConflictError(
                    f"{self.path}: another command is changing this endpoint; "
                    "wait until it is through, or end it"
                ) from error
            yield


@contextmanager
def outputs_errors(where: Path) -> Iterator[None]:
    """Turn what the file system refuses into an error that says where and what to do.

    Raises:
        OutputsError: Something could not be written or read.
    """
    try:
        yield
    except OSError as error:
        raise OutputsError(
            f"{error.filename or where}: must be writable ({error.strerror or error}); "
            "free some space, or move everything with outputs_dir="
        ) from error


def _deployment_record(raw: dict[str, Any]) -> DeploymentRecord:
    process = ProcessId(**raw["process"]) if raw["process"] else None
    return DeploymentRecord(**raw | {"process": process})


def _load(path: Path, build: Callable[[dict[str, Any]], T]) -> T | None:
    try:
        return build(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError) as error:
        # Not the content: the file may be the one with the keys.
        raise NotFoundError(
            f"{path}: must be a file as mnist-exp wrote it ({type(error).__name__} on reading); "
            "delete the endpoint and deploy again"
        ) from None
