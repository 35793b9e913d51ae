"""Which endpoints there are: found by name, listed, and removed, also when their time is over.

Looking for an endpoint may find one that has expired and that no front removes any more. So
finding and removing stand together, and the verbs need not know about time.
"""

import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.names import endpoint_name_fault
from mnist_exp.serving.files import DELETED, EndpointRecord
from mnist_exp.workspaces.local.endpoints.process_identity import (
    end_left_below,
    end_processes,
    servers_below,
)
from mnist_exp.workspaces.local.endpoints.state_files import (
    DeploymentFolder,
    EndpointFolder,
    outputs_errors,
)

#: Seconds that a front gets beyond its longest request, before it is killed.
_PARTING_S = 10.0


class Registry:
    """The endpoints whose folders are below one root.

    Args:
        root: Holds a folder for each endpoint; it need not exist yet.
    """

    def __init__(self, root: Path) -> None:
        # Processes are recognised by this path.
        self._root = root.resolve()

    def folder(self, name: str) -> EndpointFolder:
        """Return an endpoint's folder, whether it exists or not.

        Raises:
            ConfigError: The name breaks Azure's rules.
        """
        # Before the name touches the disk.
        if fault := endpoint_name_fault(name):
            raise ConfigError([f"endpoint.name: {fault}"])
        return EndpointFolder(self._root / name)

    def existing(self, name: str) -> tuple[EndpointFolder, EndpointRecord]:
        """Return an endpoint's folder and record.

        Raises:
            NotFoundError: There is no such endpoint, or its time is over.
        """
        folder = self.folder(name)
        with outputs_errors(folder.path):
            record = self.unexpired(folder)
        if record is None:
            raise self._unknown(name)
        return folder, record

    def unexpired(self, folder: EndpointFolder) -> EndpointRecord | None:
        """Return the endpoint unless its time is over; its front removes it then, or else we do."""
        record = folder.load()
        if record is None or not _is_expired(record):
            return record
        if folder.front() is None:
            self.remove(record.name)
        return None

    def deployment(self, endpoint: str, name: str) -> DeploymentFolder:
        """Return a deployment's folder.

        Raises:
            NotFoundError: There is no such endpoint, or no such deployment behind it.
        """
        folder, _ = self.existing(endpoint)
        known = folder.deployments()
        if name not in known:
            listed = ", ".join(known) or "none; deploy first"
            raise NotFoundError(
                f"endpoint.deployment.name: {endpoint} has no deployment {name!r}; "
                f"there are: {listed}"
            )
        return folder.deployment(name)

    def names(self) -> Sequence[str]:
        """Return the names of all endpoints that have a record, also of expired ones."""
        if not self._root.is_dir():
            return []
        names = sorted(path.name for path in self._root.iterdir())
        return [name for name in names if not endpoint_name_fault(name) and self._exists(name)]

    def remove(self, name: str) -> None:
        """End every process of the endpoint, after its last answer, and remove its files.

        Raises:
            NotFoundError: There is no such endpoint.
            EndpointError: A process is still there.
        """
        folder = self.folder(name)
        if not folder.path.is_dir():
            raise self._unknown(name)
        # One that was refused has left an empty folder.
        was_made = folder.record_file.exists()
        with outputs_errors(folder.path):
            with folder.locked():
                _end(folder)
                # At once or not at all: no half-deleted endpoint has a name.
                folder.path.rename(self._root / f"{DELETED}{name}-{secrets.token_hex(4)}")
            for leftover in self._root.glob(f"{DELETED}*"):
                # Another command may be removing it just now.
                with suppress(FileNotFoundError):
                    shutil.rmtree(leftover)
        if not was_made:
            raise self._unknown(name)

    def _exists(self, name: str) -> bool:
        return EndpointFolder(self._root / name).record_file.is_file()

    def _unknown(self, name: str) -> NotFoundError:
        listed = ", ".join(self.names()) or "none; mnist-exp stage=deploy makes one"
        return NotFoundError(f"endpoint.name: no endpoint {name!r} here; there are: {listed}")


def _is_expired(record: EndpointRecord) -> bool:
    return record.expires is not None and time.time() >= record.expires


def _end(folder: EndpointFolder) -> None:
    """End front and workers; a damaged record is no obstacle to deleting what is broken."""
    try:
        records = [folder.deployment(name).load() for name in folder.deployments()]
        front = folder.front()
    except NotFoundError:
        records, front = [], None
    longest = max((one.request_timeout_ms for one in records if one), default=0)
    fronts = [front] if front else servers_below(folder.path)
    # The front answers what is under way, and ends its workers.
    end_processes(fronts, longest / 1000 + _PARTING_S)
    end_left_below(folder.path)
