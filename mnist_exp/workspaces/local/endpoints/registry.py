"""Find endpoints by name, list endpoints, and delete endpoints.

The front (the endpoint's HTTP server process) deletes its endpoint when the endpoint expires. If
the front does not run, the first search for the expired endpoint deletes the endpoint. Therefore
the class `Registry` both finds and deletes endpoints.
"""

import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.names import endpoint_name_fault
from mnist_exp.serving.files import DELETED, EndpointState
from mnist_exp.workspaces.local.endpoints.server_processes import (
    end_processes,
    kill_processes_below,
    servers_below,
)
from mnist_exp.workspaces.local.endpoints.state_files import (
    EndpointFolder,
    outputs_errors,
)

#: Seconds between SIGTERM and SIGKILL for the front, in addition to the longest request timeout.
_PARTING_S = 10.0


class Registry:
    """The endpoints whose folders are in one root folder.

    Args:
        root: The folder that contains one folder per endpoint. The root folder may be missing.
    """

    def __init__(self, root: Path) -> None:
        # Resolve the path. The processes of an endpoint are found by this path, so every command
        # must use the same form of the path.
        self._root = root.resolve()

    def folder(self, name: str) -> EndpointFolder:
        """Return an endpoint's folder. The folder may be missing.

        Raises:
            ConfigError: The name breaks Azure's rules.
        """
        # Check the name before it becomes part of a path.
        if fault := endpoint_name_fault(name):
            raise ConfigError([f"endpoint.name: {fault}"])
        return EndpointFolder(self._root / name)

    def existing(self, name: str) -> tuple[EndpointFolder, EndpointState]:
        """Return an endpoint's folder and saved state.

        Raises:
            NotFoundError: The endpoint does not exist or has expired.
        """
        folder = self.folder(name)
        with outputs_errors(folder.path):
            saved = self.unexpired(folder)
        if saved is None:
            raise self._unknown(name)
        return folder, saved

    def unexpired(self, folder: EndpointFolder) -> EndpointState | None:
        """Return an endpoint's saved state; None if the endpoint does not exist or has expired.

        The front deletes an expired endpoint. If the front does not run, this method deletes the
        expired endpoint.
        """
        saved = folder.load()
        if saved is None or not _is_expired(saved):
            return saved
        if folder.front() is None:
            self.delete(saved.name)
        return None

    @contextmanager
    def locked(self, name: str) -> Iterator[tuple[EndpointFolder, EndpointState]]:
        """Lock an endpoint, and yield its folder and saved state.

        Raises:
            NotFoundError: The endpoint does not exist or has expired.
            RefusedError: Another command is changing the endpoint.
        """
        folder, _ = self.existing(name)
        with outputs_errors(folder.path), folder.locked():
            # Another command may have deleted the endpoint before this command got the lock.
            saved = folder.load()
            if saved is None:
                shutil.rmtree(folder.path)
                raise self._unknown(name)
            yield folder, saved

    def names(self) -> Sequence[str]:
        """Return the names of all endpoints with a saved state, including expired endpoints."""
        if not self._root.is_dir():
            return []
        names = sorted(path.name for path in self._root.iterdir())
        return [name for name in names if not endpoint_name_fault(name) and self._exists(name)]

    def delete(self, name: str) -> None:
        """End an endpoint's processes after their last response, then delete the endpoint's files.

        Raises:
            NotFoundError: The endpoint does not exist.
            EndpointError: A process does not end.
        """
        folder = self.folder(name)
        if not folder.path.is_dir():
            raise self._unknown(name)
        with outputs_errors(folder.path):
            with folder.locked():
                # If a command refused to create the endpoint, the folder contains no state. Another
                # command may also have deleted the endpoint before this command got the lock.
                has_existed = folder.state_file.exists()
                _end_processes(folder)
                # Rename the folder first. Otherwise a search by name could find a partly deleted
                # endpoint.
                folder.path.rename(self._root / f"{DELETED}{name}-{secrets.token_hex(4)}")
            for renamed in self._root.glob(f"{DELETED}*"):
                # Another command may be deleting the same folder.
                with suppress(FileNotFoundError):
                    # Delete a link that took the place of a folder, but not the link's target.
                    (Path.unlink if renamed.is_symlink() else shutil.rmtree)(renamed)
        if not has_existed:
            raise self._unknown(name)

    def _exists(self, name: str) -> bool:
        return EndpointFolder(self._root / name).state_file.is_file()

    def _unknown(self, name: str) -> NotFoundError:
        listed = ", ".join(self.names()) or "none; mnist-exp stage=deploy creates one"
        return NotFoundError(
            f"endpoint.name: no endpoint {name!r} here; existing endpoints: {listed}"
        )


def _is_expired(saved: EndpointState) -> bool:
    return saved.expires is not None and time.time() >= saved.expires


def _end_processes(folder: EndpointFolder) -> None:
    """End the front and its workers, even if a file with a saved state is damaged."""
    try:
        deployments = [folder.deployment(name).load() for name in folder.deployments()]
        front = folder.front()
    except NotFoundError:
        deployments, front = [], None
    longest = max((one.request_timeout_ms for one in deployments if one), default=0)
    fronts = [front] if front else servers_below(folder.path)
    # After SIGTERM, the front answers all accepted requests, and then ends its workers.
    end_processes(fronts, longest / 1000 + _PARTING_S)
    kill_processes_below(folder.path)
