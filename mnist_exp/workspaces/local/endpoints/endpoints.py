"""The verbs: what a local workspace asks of its endpoints."""

import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mnist_exp.errors import ConfigError, ConflictError, NotFoundError
from mnist_exp.names import endpoint_name_fault
from mnist_exp.serving.files import DELETED, Credentials, EndpointRecord
from mnist_exp.specs import DeploymentSpec, EndpointSpec
from mnist_exp.workspaces.entities import Deployment, DeploymentStatistics, Endpoint
from mnist_exp.workspaces.local.endpoints.deployments import Update
from mnist_exp.workspaces.local.endpoints.front import apply_files, ensure_front, front_line
from mnist_exp.workspaces.local.endpoints.invocation import invoke_endpoint
from mnist_exp.workspaces.local.endpoints.processes import (
    end_left_below,
    end_processes,
    servers_below,
)
from mnist_exp.workspaces.local.endpoints.sockets import listen
from mnist_exp.workspaces.local.endpoints.staging import ModelFiles, fingerprint
from mnist_exp.workspaces.local.endpoints.state import deployment_now, endpoint_now
from mnist_exp.workspaces.local.endpoints.store import (
    DeploymentFolder,
    EndpointFolder,
    outputs_errors,
)
from mnist_exp.workspaces.local.endpoints.tail import last_lines
from mnist_exp.workspaces.local.endpoints.traffic import mirror_faults, traffic_faults

__all__ = ["Endpoints"]

#: Seconds that a front gets beyond its longest request, before it is killed.
PARTING_S = 10.0
#: Azure ML's limit of deployments behind an endpoint.
#: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
MOST_DEPLOYMENTS = 20


class Endpoints:
    """The endpoints whose state is below one folder.

    Every method raises `MnistExpError` alone. Those that change an endpoint raise `ConflictError`
    while another command changes it.

    Args:
        root: Holds a folder for each endpoint; it need not exist yet.
        leave_out: A folder whose files are no part of any code: the outputs folder.
    """

    def __init__(self, root: Path, leave_out: Path | None = None) -> None:
        # Processes are recognised by this path.
        self._root = root.resolve()
        self._leave_out = leave_out

    def create_or_update(self, spec: EndpointSpec) -> Endpoint:
        """Make the endpoint with its address and keys, or update the one there is.

        What is None or empty leaves what there is, so that a deployment can be updated without
        an interruption; a traffic of 0 for a name takes it all away.

        Raises:
            ConfigError: The name or the traffic breaks Azure's rules.
            ConflictError: The port is taken.
        """
        folder = self._folder(spec.name)
        self._unexpired(folder)
        with outputs_errors(folder.path), folder.locked():
            before = folder.load()
            record = self._updated(folder, spec, before or EndpointRecord(spec.name))
            if before is None:
                self.check_port(spec.name, spec.port)
            folder.save(record)
            if spec.regenerate_key is not None:
                folder.regenerate(spec.regenerate_key.value)
            # Makes the token of aml_token, for those who read it from the file.
            folder.keys()
            apply_files(folder)
        return self.get(spec.name)

    def deploy(self, spec: DeploymentSpec, model: ModelFiles) -> Deployment:
        """Make the deployment, or replace it, and return when it answers.

        What is deployed already, with the same code, model and settings, is left as it is.

        Raises:
            JobError: The new one did not get ready; the one before it still serves.
        """
        folder, _ = self._existing(spec.endpoint)
        self._check_deployment(folder, spec.name)
        with outputs_errors(folder.path), folder.locked():
            if not self._serves(folder, spec, model):
                Update(folder, spec, model, self._leave_out).run()
        return deployment_now(folder, spec.name)

    def check_port(self, endpoint: str, port: int | None) -> None:
        """See that the port which a new endpoint asks for is free.

        Raises:
            ConflictError: Something else listens there, or the endpoint has another port.
        """
        if port is None:
            return
        record = self._folder(endpoint).load()
        if record is None or not record.port:
            listen(port).close()
        elif record.port != port:
            raise _port_conflict(record, port)

    def get(self, name: str) -> Endpoint:
        """Return the endpoint as it is now: nothing claims to run that does not."""
        folder, record = self._existing(name)
        return endpoint_now(folder, record)

    def list(self) -> tuple[Endpoint, ...]:
        """Return all endpoints, by name."""
        found = []
        for name in self._names():
            # One that expires, or that another command deletes, may go at any moment.
            with suppress(NotFoundError):
                found.append(self.get(name))
        return tuple(found)

    def statistics(self, name: str) -> Mapping[str, DeploymentStatistics]:
        """Return how each deployment has done since the front began, and who works for it."""
        folder, _ = self._existing(name)
        if folder.front() is None:
            return {}
        with front_line(folder) as front:
            report = front.report()
        return {deployment: _statistics(raw) for deployment, raw in report.items()}

    def keys(self, name: str) -> Credentials:
        """Return what opens the endpoint; never print or record it."""
        return self._existing(name)[0].keys()

    def invoke(self, name: str, body: bytes, deployment: str | None = None) -> object:
        """Send one scoring request and return the parsed answer.

        Args:
            name: The endpoint; its front is started again if it was killed.
            body: The request's body, as it is.
            deployment: Who answers; None leaves that to the traffic.

        Raises:
            EndpointError: There is nobody to answer, or the answer is an error.
        """
        folder, record = self._existing(name)
        with outputs_errors(folder.path):
            return invoke_endpoint(folder, record, body, deployment)

    def logs(self, name: str, deployment: str, lines: int = 50) -> Sequence[str]:
        """Return the last lines that a deployment printed."""
        folder = self._deployment(name, deployment)
        record = folder.load()
        with outputs_errors(folder.path):
            return last_lines(folder.log(record.revision), lines) if record else []

    def revive(self, name: str) -> bool:
        """Start the endpoint's front if it does not run; return whether it had to be."""
        return ensure_front(self._existing(name)[0])

    def delete(self, name: str) -> None:
        """End every process of the endpoint, after its last answer, and remove its files.

        Raises:
            EndpointError: A process is still there.
        """
        folder = self._folder(name)
        if not folder.path.is_dir():
            raise self._unknown(name)
        with outputs_errors(folder.path):
            with folder.locked():
                self._end(folder)
                # At once or not at all: no half-deleted endpoint has a name.
                folder.path.rename(self._root / f"{DELETED}{name}-{secrets.token_hex(4)}")
            for leftover in self._root.glob(f"{DELETED}*"):
                shutil.rmtree(leftover)

    def _end(self, folder: EndpointFolder) -> None:
        """End front and workers; a damaged record is no obstacle to deleting what is broken."""
        try:
            records = [folder.deployment(name).load() for name in folder.deployments()]
            front = folder.front()
        except NotFoundError:
            records, front = [], None
        longest = max((one.request_timeout_ms for one in records if one), default=0)
        fronts = [front] if front else servers_below(folder.path)
        # The front answers what is under way, and ends its workers.
        end_processes(fronts, longest / 1000 + PARTING_S)
        end_left_below(folder.path)

    def _updated(
        self, folder: EndpointFolder, spec: EndpointSpec, before: EndpointRecord
    ) -> EndpointRecord:
        if before.port and spec.port not in (None, before.port):
            raise _port_conflict(before, spec.port)
        live = _shares(spec.traffic, before.traffic)
        mirrored = _shares(spec.mirror_traffic, before.mirror_traffic)
        known = folder.deployments()
        asked = spec.mirror_traffic or before.mirror_traffic
        faults = traffic_faults(spec.traffic, known) + mirror_faults(asked, live, known)
        if faults:
            raise ConfigError(faults)
        return replace(
            before,
            # Which one it is otherwise is known when the front listens.
            port=before.port or spec.port or 0,
            auth_mode=spec.auth_mode.value if spec.auth_mode else before.auth_mode,
            description=spec.description or before.description,
            traffic=live,
            mirror_traffic=mirrored,
            token_lifetime=spec.token_lifetime or before.token_lifetime,
            expires=before.expires if spec.ttl is None else time.time() + spec.ttl,
        )

    def _serves(self, folder: EndpointFolder, spec: DeploymentSpec, model: ModelFiles) -> bool:
        """Whether just this is what the deployment serves already."""
        record = folder.deployment(spec.name).load()
        if record is None or deployment_now(folder, spec.name).provisioning_state != "Succeeded":
            return False
        if spec.code is not None and not spec.code.is_dir():
            return False
        return record.fingerprint == fingerprint(spec, model, self._leave_out)

    def _check_deployment(self, folder: EndpointFolder, name: str) -> None:
        where = "endpoint.deployment.name"
        if fault := endpoint_name_fault(name):
            raise ConfigError([f"{where}: {fault}"])
        known = folder.deployments()
        if name not in known and len(known) >= MOST_DEPLOYMENTS:
            raise ConfigError(
                [f"{where}: an endpoint has at most {MOST_DEPLOYMENTS} deployments; update one"]
            )

    def _folder(self, name: str) -> EndpointFolder:
        # Before the name touches the disk.
        if fault := endpoint_name_fault(name):
            raise ConfigError([f"endpoint.name: {fault}"])
        return EndpointFolder(self._root / name)

    def _existing(self, name: str) -> tuple[EndpointFolder, EndpointRecord]:
        folder = self._folder(name)
        with outputs_errors(folder.path):
            record = self._unexpired(folder)
        if record is None:
            raise self._unknown(name)
        return folder, record

    def _unexpired(self, folder: EndpointFolder) -> EndpointRecord | None:
        """Return the endpoint unless its time is over; its front removes it then, or else we do."""
        record = folder.load()
        if record is None or not _is_expired(record):
            return record
        if folder.front() is None:
            self.delete(record.name)
        return None

    def _deployment(self, endpoint: str, name: str) -> DeploymentFolder:
        folder, _ = self._existing(endpoint)
        known = folder.deployments()
        if name not in known:
            listed = ", ".join(known) or "none; deploy first"
            raise NotFoundError(
                f"endpoint.deployment.name: {endpoint} has no deployment {name!r}; "
                f"there are: {listed}"
            )
        return folder.deployment(name)

    def _names(self) -> Sequence[str]:
        if not self._root.is_dir():
            return []
        names = sorted(path.name for path in self._root.iterdir())
        return [name for name in names if not endpoint_name_fault(name) and self._exists(name)]

    def _exists(self, name: str) -> bool:
        return EndpointFolder(self._root / name).record_file.is_file()

    def _unknown(self, name: str) -> NotFoundError:
        listed = ", ".join(self._names()) or "none; mnist-exp stage=deploy makes one"
        return NotFoundError(f"endpoint.name: no endpoint {name!r} here; there are: {listed}")


def _shares(asked: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """Return the shares from now on: what is asked for, or what there was, without zeros."""
    return {name: percent for name, percent in (asked or before).items() if percent}


def _port_conflict(record: EndpointRecord, port: int | None) -> ConflictError:
    return ConflictError(
        f"endpoint.port: endpoint {record.name} stays at {record.port}, got {port}; "
        "leave endpoint.port out, or make another endpoint"
    )


def _is_expired(record: EndpointRecord) -> bool:
    return record.expires is not None and time.time() >= record.expires


def _statistics(raw: Mapping[str, Any]) -> DeploymentStatistics:
    times = {float(bound): count for bound, count in raw["times_ms"].items()}
    return DeploymentStatistics(
        raw["requests"], raw["failures"], times, raw["instances"], raw["restarts"]
    )
