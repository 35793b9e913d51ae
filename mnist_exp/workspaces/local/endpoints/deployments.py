"""A new revision of a deployment: made beside the running one, then put in its place.

The record is the switch. What is prepared over a connection to the front is given up when that
closes before the record names it, so whenever this is cut short, even by SIGKILL, either the old
revision serves or the new one, and no process is left.
"""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from mnist_exp.errors import JobError, UnsupportedError
from mnist_exp.serving.files import last_lines
from mnist_exp.specs import DeploymentSpec
from mnist_exp.workspaces.local.endpoints.front_client import front_line
from mnist_exp.workspaces.local.endpoints.process_identity import (
    ProcessId,
    end_processes,
    process_id,
    servers_below,
)
from mnist_exp.workspaces.local.endpoints.staging import ModelFiles, fingerprint, stage_revision
from mnist_exp.workspaces.local.endpoints.state_files import DeploymentRecord, EndpointFolder

#: Lines of the log that an error shows.
_TAIL_LINES = 20


class _NotReadyError(Exception):
    """The new revision did not get ready; the text says why."""


@dataclass(frozen=True)
class Update:
    """One update of one deployment, or its first revision.

    Attributes:
        endpoint: The endpoint, locked by the caller.
        spec: What to deploy.
        model: Its model.
        leave_out: A folder whose files are no part of the code: the outputs folder.
    """

    endpoint: EndpointFolder
    spec: DeploymentSpec
    model: ModelFiles
    leave_out: Path | None = None

    def run(self) -> None:
        """Put the new revision in place and end the one before it.

        Raises:
            JobError: The new one did not get ready; the one before it still serves.
            MnistExpError: Code or model are not what they must be.
        """
        folder = self.endpoint.deployment(self.spec.name)
        before = folder.load()
        number = self._next_number(before)
        self._remove_leftovers()
        revision = folder.revision(number)
        revision.mkdir(parents=True)
        try:
            with folder.claimed(_this_process()):
                self._replace(number, revision)
        except BaseException as error:
            self._abandon(number, before, error)
            if isinstance(error, _NotReadyError):
                raise self._failure(number, before, error) from error
            raise
        self._remove_leftovers()

    def _next_number(self, before: DeploymentRecord | None) -> int:
        # Never one again that the record names, though its files may have gone.
        recorded = [before.revision] if before else []
        found = self.endpoint.deployment(self.spec.name).revisions()
        return max([0, *recorded, *found]) + 1

    def _replace(self, number: int, revision: Path) -> None:
        stage_revision(revision, self.spec, self.model, self.leave_out)
        folder = self.endpoint.deployment(self.spec.name)
        with front_line(self.endpoint) as front:
            if why := front.prepare(self.spec.name, number):
                raise _NotReadyError(why)
            folder.save(self._record(number))
            front.apply()

    def _record(self, number: int) -> DeploymentRecord:
        return DeploymentRecord(
            name=self.spec.name,
            provisioning_state="Succeeded",
            model=self.model.reference,
            revision=number,
            instance_count=self.spec.instance_count,
            request_timeout_ms=self.spec.request_settings.request_timeout_ms,
            fingerprint=fingerprint(self.spec, self.model, self.leave_out),
        )

    def _abandon(self, number: int, before: DeploymentRecord | None, error: BaseException) -> None:
        """Leave of the new revision nothing but its log."""
        folder = self.endpoint.deployment(self.spec.name)
        now = folder.load()
        if now is not None and now.revision == number:
            # Cut short after the switch: the new one serves, the old one is ending by itself.
            return
        revision = folder.revision(number)
        end_processes(servers_below(revision), grace_s=0)
        if not revision.is_dir():
            # Somebody removed the whole endpoint meanwhile, and it must not come back.
            return
        for path in revision.iterdir():
            if path != folder.log(number):
                _remove(path)
        if before is None or before.provisioning_state != "Succeeded":
            tail = last_lines(folder.log(number), 1) if isinstance(error, _NotReadyError) else []
            why = "; its last words: ".join([_reason(error), *(line.strip() for line in tail)])
            failed = replace(self._failed(number), why=why)
            folder.save(failed)

    def _failed(self, number: int) -> DeploymentRecord:
        return DeploymentRecord(self.spec.name, "Failed", self.model.reference, number)

    def _failure(
        self, number: int, before: DeploymentRecord | None, error: _NotReadyError
    ) -> JobError:
        log = self.endpoint.deployment(self.spec.name).log(number)
        tail = last_lines(log, _TAIL_LINES)
        last = f": {tail[-1].strip()}" if tail else ""
        has_one = before is not None and before.provisioning_state == "Succeeded"
        rest = self._what_is_left(before) if before and has_one else self._consequence()
        return JobError(
            f"endpoint.deployment {self.spec.name}: must get ready to be deployed, but "
            f"{error}{last}; mend it and deploy again, log: {log}{rest}",
            tail,
        )

    def _what_is_left(self, before: DeploymentRecord) -> str:
        """Return what became of the revision that was to be replaced: nothing."""
        if self.endpoint.deployment(self.spec.name).failure(before.revision):
            return "; the deployment before it has failed too"
        record = self.endpoint.load()
        if record is None or not record.traffic.get(self.spec.name):
            return "; the deployment before it is still there, without traffic"
        return "; the deployment before it still serves"

    def _consequence(self) -> str:
        """Return what the failure of a first deployment means, as on Azure: the endpoint stays."""
        record = self.endpoint.load()
        has_traffic = record is not None and record.traffic
        return "" if has_traffic else f"; until then endpoint {self.spec.endpoint} answers 404"

    def _remove_leftovers(self) -> None:
        """Remove the revisions that are not to serve: replaced, failed or cut short."""
        folder = self.endpoint.deployment(self.spec.name)
        now = folder.load()
        serving = now.revision if now and now.provisioning_state == "Succeeded" else None
        for number in folder.revisions():
            if number != serving:
                revision = folder.revision(number)
                end_processes(servers_below(revision), grace_s=0)
                _remove(revision)


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
