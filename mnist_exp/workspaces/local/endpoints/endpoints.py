"""The verbs: what a local workspace asks of its endpoints."""

import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.names import endpoint_name_fault
from mnist_exp.specs import DeploymentSpec, EndpointSpec
from mnist_exp.workspaces.base import Deployment, Endpoint
from mnist_exp.workspaces.local.endpoints.invocation import invoke_endpoint
from mnist_exp.workspaces.local.endpoints.rollout import Rollout, end_deployment
from mnist_exp.workspaces.local.endpoints.sockets import listen
from mnist_exp.workspaces.local.endpoints.staging import ModelFiles
from mnist_exp.workspaces.local.endpoints.state import current_state, deployment_now, endpoint_now
from mnist_exp.workspaces.local.endpoints.store import (
    DeploymentFolder,
    EndpointFolder,
    EndpointRecord,
    Keys,
    outputs_errors,
)
from mnist_exp.workspaces.local.endpoints.tail import last_lines
from mnist_exp.workspaces.local.endpoints.traffic import traffic_faults

__all__ = ["Endpoints"]

#: Azure's probes give up after about five minutes too: 10 s, then 30 times 10 s.
READY_TIMEOUT_S = 310.0
#: A folder that is being deleted; no endpoint's name begins with a dot.
DELETED = ".deleted-"


class Endpoints:
    """The endpoints whose state is below one folder.

    Every method raises `MnistExpError` alone. Those that change an endpoint raise `ConflictError`
    while another command changes it.

    Args:
        root: Holds a folder for each endpoint; it need not exist yet.
        ready_timeout_s: Seconds that a deployment has to get ready.
    """

    def __init__(self, root: Path, ready_timeout_s: float = READY_TIMEOUT_S) -> None:
        # Processes are recognised by this path.
        self._root = root.resolve()
        self._ready_timeout_s = ready_timeout_s

    def create_or_update(self, spec: EndpointSpec) -> Endpoint:
        """Make the endpoint with its keys, or update the one there is.

        An empty description or traffic leaves what there is, so that a deployment can be updated
        without an interruption; a traffic of 0 for a name takes it all away.

        Raises:
            ConfigError: The name or the traffic breaks Azure's rules.
        """
        folder = self._folder(spec.name)
        with outputs_errors(folder.path), folder.locked():
            before = folder.load() or EndpointRecord(spec.name)
            traffic = {name: percent for name, percent in spec.traffic.items() if percent}
            if faults := traffic_faults(spec.traffic, folder.deployments()):
                raise ConfigError(faults)
            record = EndpointRecord(
                spec.name,
                spec.auth_mode.value,
                spec.description or before.description,
                traffic if spec.traffic else before.traffic,
            )
            folder.save(record)
        return self.get(spec.name)

    def deploy(
        self, spec: DeploymentSpec, model_dir: Path, model_name: str, model_version: str
    ) -> Deployment:
        """Make the deployment, or replace it, and return when it answers.

        One process serves whatever `instance_count` says; the count raises the number of
        requests that may wait, as on Azure.

        Args:
            spec: What to deploy.
            model_dir: The registered artefact root, a file or a folder.
            model_name: The model's registered name.
            model_version: The model's registered version.

        Raises:
            JobError: The new one did not get ready; the one before it still serves.
            ConflictError: The port is taken.
        """
        folder, _ = self._existing(spec.endpoint)
        if fault := endpoint_name_fault(spec.name):
            raise ConfigError([f"endpoint.deployment.name: {fault}"])
        model = ModelFiles(model_dir, model_name, model_version)
        with outputs_errors(folder.path), folder.locked():
            Rollout(folder, spec, model, self._ready_timeout_s).run()
        return deployment_now(spec.name, folder.deployment(spec.name))

    def check_port(self, spec: DeploymentSpec) -> None:
        """See that the port which a deployment asks for is free, or its own already.

        Raises:
            ConflictError: Something else listens there.
        """
        record = self._folder(spec.endpoint).deployment(spec.name).load()
        if spec.port is None or (record and record.is_alive and record.port == spec.port):
            return
        listen(spec.port).close()

    def get(self, name: str) -> Endpoint:
        """Return the endpoint as it is now: a deployment whose process is gone has Failed."""
        folder, record = self._existing(name)
        return endpoint_now(folder, record)

    def list(self) -> tuple[Endpoint, ...]:
        """Return all endpoints, by name."""
        return tuple(self.get(name) for name in self._names())

    def why(self, name: str, deployment: str) -> str:
        """Return why a deployment has Failed; empty if it has not."""
        return current_state(self._deployment(name, deployment))[1]

    def keys(self, name: str) -> Keys:
        """Return the endpoint's keys; never print or record them."""
        return self._existing(name)[0].keys()

    def invoke(self, name: str, body: bytes, deployment: str | None = None) -> object:
        """Send one scoring request and return the parsed answer.

        Args:
            name: The endpoint.
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
                for deployment in folder.deployments():
                    end_deployment(folder.deployment(deployment))
                # At once or not at all: no half-deleted endpoint has a name.
                folder.path.rename(self._root / f"{DELETED}{name}-{secrets.token_hex(4)}")
            for leftover in self._root.glob(f"{DELETED}*"):
                shutil.rmtree(leftover)

    def _folder(self, name: str) -> EndpointFolder:
        # Before the name touches the disk.
        if fault := endpoint_name_fault(name):
            raise ConfigError([f"endpoint.name: {fault}"])
        return EndpointFolder(self._root / name)

    def _existing(self, name: str) -> tuple[EndpointFolder, EndpointRecord]:
        folder = self._folder(name)
        with outputs_errors(folder.path):
            record = folder.load()
        if record is None:
            raise self._unknown(name)
        return folder, record

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
