"""The registry of endpoints: finds them by name, lists and deletes them.

Finding and deleting stand in one class, because a search may find an endpoint that has expired. If
no front process deletes this endpoint, the search deletes it. The verbs in `endpoints.py` therefore
need not know about expiry.
"""

import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
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
    DeploymentFolder,
    EndpointFolder,
    outputs_errors,
)

#: Seconds between a front's longest request and SIGKILL.
_PARTING_S = 10.0


class Registry:
    """The endpoints whose folders are in one root folder.

    Args:
        root: The folder with one folder per endpoint. It need not exist yet.
    """

    def __init__(self, root: Path) -> None:
        # Processes are found by this path, so it must be the same in every command.
        self._root = root.resolve()

    def folder(self, name: str) -> EndpointFolder:
        """Return an endpoint's folder, whether it exists or not.

        Raises:
            ConfigError: The name breaks Azure's rules.
        """
        # Check the name before it becomes part of a path.
        if fault := endpoint_name_fault(name):
            raise ConfigError([f"endpoint.name: {fault}"])
        return EndpointFolder(self._root / name)

    def existing(self, name: str) -> tuple[EndpointFolder, EndpointState]:
        """Return an endpoint's folder and saved.

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
        """Return an endpoint's saved state, None if the endpoint does not exist or has expired.

        An expired endpoint is deleted by its front, or here if the front does not run.
        """
        saved = folder.load()
        if saved is None or not _is_expired(saved):
            return saved
        if folder.front() is None:
            self.delete(saved.name)
        return None

    def deployment(self, endpoint: str, name: str) -> DeploymentFolder:
        """Return a deployment's folder.

        Raises:
            NotFoundError: The endpoint does not exist, or has no such deployment.
        """
        folder, _ = self.existing(endpoint)
        known = folder.deployments()
        if name not in known:
            listed = ", ".join(known) or "none; deploy first"
            raise NotFoundError(
                f"endpoint.deployment.name: {endpoint} has no deployment {name!r}; "
                f"existing deployments: {listed}"
            )
        return folder.deployment(name)

    def names(self) -> Sequence[str]:
        """Return the names of all endpoints that have a saved state, expired ones included."""
        if not self._root.is_dir():
            return []
        names = sorted(path.name for path in self._root.iterdir())
        return [name for name in names if not endpoint_name_fault(name) and self._exists(name)]

    def delete(self, name: str) -> None:
        """Delete an endpoint: end its processes after their last response, then delete its files.

        Raises:
            NotFoundError: The endpoint does not exist.
            EndpointError: A process does not end.
        """
        folder = self.folder(name)
        if not folder.path.is_dir():
            raise self._unknown(name)
        # A refused creation leaves an empty folder.
        has_existed = folder.state_file.exists()
        with outputs_errors(folder.path):
            with folder.locked():
                _end_processes(folder)
                # Rename first, so that no partly deleted endpoint can be found by its name.
                folder.path.rename(self._root / f"{DELETED}{name}-{secrets.token_hex(4)}")
            for renamed in self._root.glob(f"{DELETED}*"):
                # Another command may delete the same folder at this moment.
                with suppress(FileNotFoundError):
                    shutil.rmtree(renamed)
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
    """End the front and its workers, also if a saved state is damaged."""
    try:
        deployments = [folder.deployment(name).load() for name in folder.deployments()]
        front = folder.front()
    except NotFoundError:
        deployments, front = [], None
    longest = max((one.request_timeout_ms for one in deployments if one), default=0)
    fronts = [front] if front else servers_below(folder.path)
    # After SIGTERM, the front answers the requests that it has accepted, and ends its workers.
    end_processes(fronts, longest / 1000 + _PARTING_S)
    kill_processes_below(folder.path)
