"""A new revision of a deployment: made beside the running one, then put in its place.

The record is the switch. A revision that it does not name ends by itself, so whenever a rollout
is cut short, even by SIGKILL, either the old one serves or the new one, and no process is left.
"""

import os
import shutil
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mnist_exp.errors import ConflictError, JobError, NotFoundError, UnsupportedError
from mnist_exp.serving.settings import Settings
from mnist_exp.specs import DeploymentSpec
from mnist_exp.workspaces.local.endpoints.launch import StartError, starting_server
from mnist_exp.workspaces.local.endpoints.processes import (
    ProcessId,
    end_processes,
    process_id,
    servers_below,
)
from mnist_exp.workspaces.local.endpoints.sockets import listen
from mnist_exp.workspaces.local.endpoints.staging import (
    ModelFiles,
    server_environment,
    stage_revision,
)
from mnist_exp.workspaces.local.endpoints.store import (
    DeploymentFolder,
    DeploymentRecord,
    EndpointFolder,
)
from mnist_exp.workspaces.local.endpoints.tail import last_lines

__all__ = ["Rollout", "end_deployment"]

#: Lines of the log that an error shows.
TAIL_LINES = 20


class Rollout:
    """One update of one deployment, or its first revision.

    Args:
        endpoint: The endpoint, locked by the caller.
        spec: What to deploy.
        model: Its model.
        timeout_s: Seconds until the server must be ready.
    """

    def __init__(
        self, endpoint: EndpointFolder, spec: DeploymentSpec, model: ModelFiles, timeout_s: float
    ) -> None:
        self._endpoint = endpoint
        self._spec = spec
        self._model = model
        self._timeout_s = timeout_s
        self._folder = endpoint.deployment(spec.name)
        self._before = self._folder.load()

    def run(self) -> None:
        """Put the new revision in place and end the one before it.

        Raises:
            JobError: The new one did not get ready; the one before it still serves.
            ConflictError: The port is taken.
            MnistExpError: Code or model are not what they must be.
        """
        number = self._next_number()
        self._remove_leftovers()
        revision = self._folder.revision(number)
        revision.mkdir(parents=True)
        try:
            with self._folder.claimed(_this_process()):
                self._start(number, revision)
        except BaseException as error:
            self._abandon(number, error)
            if isinstance(error, StartError):
                raise self._failure(number, error) from error
            raise
        self._retire()

    def _next_number(self) -> int:
        # Never one again that the record names, though its files may have gone.
        recorded = [self._before.revision] if self._before else []
        return max([0, *recorded, *self._folder.revisions()]) + 1

    def _start(self, number: int, revision: Path) -> None:
        settings = self._settings()
        stage_revision(revision, self._spec, self._model, settings)
        environment = server_environment(self._spec, self._model, revision)
        listener = self._listener()
        port = listener.getsockname()[1]
        with starting_server(revision, listener, environment, self._timeout_s) as process:
            record = self._record(number, settings, port, process)
            self._folder.save(record)

    def _settings(self) -> Settings:
        limits = self._spec.request_settings
        return Settings(
            endpoint=self._spec.endpoint,
            deployment=self._spec.name,
            entry_script=self._spec.scoring_script,
            keys_file=str(self._endpoint.keys_file),
            record_file=str(self._folder.record_file),
            request_timeout_ms=limits.request_timeout_ms,
            max_concurrent_requests_per_instance=limits.max_concurrent_requests_per_instance,
            instance_count=self._spec.instance_count,
        )

    def _record(
        self, number: int, settings: Settings, port: int, process: ProcessId
    ) -> DeploymentRecord:
        return DeploymentRecord(
            name=self._spec.name,
            provisioning_state="Succeeded",
            model=self._model.reference,
            revision=number,
            port=port,
            process=process,
            request_timeout_ms=settings.request_timeout_ms,
            drain_s=settings.drain_s,
        )

    def _listener(self) -> socket.socket:
        """Keep the port if that is possible: callers have noted the address."""
        before = self._before
        wanted = self._spec.port
        if before is None or before.port is None or wanted not in (None, before.port):
            return listen(wanted)
        try:
            return listen(before.port, shared=before.is_alive)
        except ConflictError:
            if wanted is not None:
                raise
            return listen(None)

    def _abandon(self, number: int, error: BaseException) -> None:
        """Leave of the new revision nothing but its log."""
        now = self._folder.load()
        if now is not None and now.revision == number:
            # Cut short after the switch: the new one serves, the old one is ending by itself.
            return
        revision = self._folder.revision(number)
        end_processes(servers_below(revision), grace_s=0)
        if not revision.is_dir():
            # Somebody removed the whole endpoint meanwhile, and it must not come back.
            return
        for path in revision.iterdir():
            if path != self._folder.log(number):
                _remove(path)
        if self._before is None or not self._before.is_alive:
            self._folder.save(self._failed(number, error))

    def _failed(self, number: int, error: BaseException) -> DeploymentRecord:
        failed = DeploymentRecord(
            self._spec.name, "Failed", self._model.reference, number, why=_reason(error)
        )
        return replace(failed, port=self._before.port) if self._before else failed

    def _failure(self, number: int, error: StartError) -> JobError:
        log = self._folder.log(number)
        tail = last_lines(log, TAIL_LINES)
        last = f": {tail[-1].strip()}" if tail else ""
        alive = self._before is not None and self._before.is_alive
        rest = "; the deployment before it still serves" if alive else ""
        return JobError(
            f"endpoint.deployment {self._spec.name}: must get ready to be deployed, but "
            f"{error}{last}; mend it and deploy again, log: {log}{rest}",
            tail,
        )

    def _retire(self) -> None:
        """End the revision before, after its last answer, and remove its files."""
        if self._before is not None:
            old = self._folder.revision(self._before.revision)
            end_processes(_processes(self._before, old), self._before.drain_s)
        self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        """Remove the revisions that do not serve: replaced, failed or cut short."""
        now = self._folder.load()
        for number in self._folder.revisions():
            if now is None or not now.is_alive or now.revision != number:
                revision = self._folder.revision(number)
                end_processes(servers_below(revision), now.drain_s if now else 0)
                _remove(revision)


def end_deployment(folder: DeploymentFolder) -> None:
    """End every process of a deployment, after the answers that are under way.

    A damaged record is no obstacle: it must be possible to delete what is broken.
    """
    try:
        record = folder.load()
    except NotFoundError:
        record = None
    end_processes(_processes(record, folder.path), record.drain_s if record else 0)


def _processes(record: DeploymentRecord | None, folder: Path) -> Sequence[ProcessId]:
    # Looked for as well: a rollout that was cut short may have left one that is not recorded.
    recorded = [record.process] if record and record.process else []
    return [*recorded, *servers_below(folder)]


def _this_process() -> ProcessId:
    process = process_id(os.getpid())
    if process is None:
        raise UnsupportedError("endpoints on this machine: need Linux's /proc, and there is none")
    return process


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or f"cut short by {type(error).__name__}"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
