"""Update a deployment: start a new revision, and then replace the previous revision.

A revision is one version of a deployment. A revision serves if the front sends new requests to its
workers. The previous revision serves until the new revision is ready. The deployment's saved state
contains the number of the revision that serves.

The command asks the front over a connection to start the new revision. If this connection closes
before the saved state names the new revision, the front ends the new revision. Therefore the
command may be killed at any time: exactly one of the two revisions then continues to serve, and the
front ends the workers of the other revision.
"""

import os
import shutil
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from mnist_exp.errors import JobError, RefusedError
from mnist_exp.serving.files import last_lines
from mnist_exp.specs import DeploymentSpec
from mnist_exp.workspaces.local.endpoints.front_client import connect_front
from mnist_exp.workspaces.local.endpoints.server_processes import (
    ProcessId,
    end_processes,
    process_id,
    servers_below,
)
from mnist_exp.workspaces.local.endpoints.staging import ModelFiles, fingerprint, stage_revision
from mnist_exp.workspaces.local.endpoints.state_files import (
    DeploymentState,
    EndpointFolder,
    ProvisioningState,
)
from mnist_exp.workspaces.local.environments.interpreter import Interpreter

#: Maximum number of log lines that an error shows.
_TAIL_LINES = 20


class _NotReadyError(Exception):
    """The new revision did not get ready. The text of the error is the reason."""


@dataclass(frozen=True)
class DeploymentUpdate:
    """One update of an existing deployment, or the creation of a deployment.

    Attributes:
        endpoint: The endpoint's folder. The caller must have locked the folder.
        spec: The deployment.
        model: The model's files.
        interpreter: The Python that runs the workers.
        leave_out: The outputs folder. Its files are not copied with the code.
    """

    endpoint: EndpointFolder
    spec: DeploymentSpec
    model: ModelFiles
    interpreter: Interpreter
    leave_out: Path | None = None

    @cached_property
    def fingerprint(self) -> str:
        """A hash of code, model, settings and Python environment.

        The hash is computed only once, before the code is copied. If the user changes the code
        later, the next update has a different hash, and deploys the changed code.
        """
        return fingerprint(self.spec, self.model, self.interpreter, self.leave_out)

    def run(self) -> None:
        """Start the new revision, and then end the previous revision.

        Raises:
            JobError: The new revision did not get ready. The previous revision is not replaced.
            MnistExpError: The code or the model cannot be deployed.
        """
        folder = self.endpoint.deployment(self.spec.name)
        before = folder.load()
        number = self._next_number(before)
        self._delete_unused_revisions()
        revision = folder.revision(number)
        revision.mkdir(parents=True)
        try:
            with folder.claimed(_this_process()):
                self._swap(number, revision)
        except BaseException as error:
            self._abandon(number, before, error)
            if isinstance(error, _NotReadyError):
                raise self._failure(number, before, error) from error
            raise
        self._delete_unused_revisions()

    def _next_number(self, before: DeploymentState | None) -> int:
        # Also consider the revision number that the saved state contains. If the folder of that
        # revision was deleted, a new revision must still not get the same number.
        recorded = [before.revision] if before else []
        found = self.endpoint.deployment(self.spec.name).revisions()
        return max([0, *recorded, *found]) + 1

    def _swap(self, number: int, revision: Path) -> None:
        state = self._succeeded(number)
        stage_revision(revision, self.spec, self.model, self.interpreter, self.leave_out)
        folder = self.endpoint.deployment(self.spec.name)
        with connect_front(self.endpoint) as front:
            if why := front.prepare(self.spec.name, number):
                raise _NotReadyError(why)
            folder.save(state)
            front.apply()

    def _succeeded(self, number: int) -> DeploymentState:
        return DeploymentState(
            name=self.spec.name,
            provisioning_state=ProvisioningState.SUCCEEDED.value,
            model=self.model.reference,
            revision=number,
            request_timeout_ms=self.spec.request_settings.request_timeout_ms,
            fingerprint=self.fingerprint,
        )

    def _abandon(self, number: int, before: DeploymentState | None, error: BaseException) -> None:
        """Kill the processes of a revision that failed, and delete its files except for its log.

        If no revision serves, save the reason of the failure.
        """
        folder = self.endpoint.deployment(self.spec.name)
        now = folder.load()
        if now is not None and now.revision == number:
            # The saved state already names the new revision, so the new revision serves. The front
            # ends the previous revision.
            return
        revision = folder.revision(number)
        end_processes(servers_below(revision), grace_s=0)
        if not revision.is_dir():
            # The endpoint's folder was deleted during the update. Do not create the folder again.
            return
        for path in revision.iterdir():
            if path != folder.log(number):
                _delete(path)
        if before is None or not before.is_deployed:
            tail = last_lines(folder.log(number), 1) if isinstance(error, _NotReadyError) else []
            why = "; last log line: ".join([_reason(error), *(line.strip() for line in tail)])
            failed = replace(self._failed(number), why=why)
            folder.save(failed)

    def _failed(self, number: int) -> DeploymentState:
        state = ProvisioningState.FAILED.value
        return DeploymentState(self.spec.name, state, self.model.reference, number)

    def _failure(
        self, number: int, before: DeploymentState | None, error: _NotReadyError
    ) -> JobError:
        log = self.endpoint.deployment(self.spec.name).log(number)
        tail = last_lines(log, _TAIL_LINES)
        last = f": {tail[-1].strip()}" if tail else ""
        has_previous = before is not None and before.is_deployed
        consequence = (
            self._previous_state(before) if before and has_previous else self._endpoint_state()
        )
        return JobError(
            f"endpoint.deployment {self.spec.name}: must get ready to be deployed, but "
            f"{error}{last}; fix the deployment and deploy again, log: {log}{consequence}",
            tail,
        )

    def _previous_state(self, before: DeploymentState) -> str:
        """Return the last part of the error message: the state of the previous revision."""
        if self.endpoint.deployment(self.spec.name).failure(before.revision):
            return "; the previous revision has also failed"
        saved = self.endpoint.load()
        if saved is None or not saved.traffic.get(self.spec.name):
            return "; the previous revision still runs, without traffic"
        return "; the previous revision still serves"

    def _endpoint_state(self) -> str:
        """Return the last part of the error message: the endpoint's state without a deployment.

        As on Azure, the endpoint is not deleted if its first deployment fails.
        """
        saved = self.endpoint.load()
        has_traffic = saved is not None and saved.traffic
        if has_traffic:
            return ""
        return f"; until a deployment gets ready, endpoint {self.spec.endpoint} answers 404"

    def _delete_unused_revisions(self) -> None:
        """Delete all revisions except for the revision that serves."""
        folder = self.endpoint.deployment(self.spec.name)
        now = folder.load()
        serving = now.revision if now and now.is_deployed else None
        for number in folder.revisions():
            if number != serving:
                revision = folder.revision(number)
                end_processes(servers_below(revision), grace_s=0)
                _delete(revision)


def _this_process() -> ProcessId:
    process = process_id(os.getpid())
    if process is None:
        raise RefusedError(
            "workspace: local endpoints need the folder /proc of Linux, but this machine has no "
            "/proc; deploy on Linux"
        )
    return process


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or f"{type(error).__name__} ended the command"


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
