"""The verbs: what a local workspace asks of its endpoints."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.names import endpoint_name_fault
from mnist_exp.results import Deployment, DeploymentStatistics, Endpoint
from mnist_exp.serving.files import Credentials, EndpointRecord, last_lines
from mnist_exp.specs import DeploymentSpec, EndpointSpec
from mnist_exp.workspaces.local.endpoints.changes import port_conflict, updated
from mnist_exp.workspaces.local.endpoints.deployments import Update
from mnist_exp.workspaces.local.endpoints.front_client import apply_files, front_line
from mnist_exp.workspaces.local.endpoints.invocation import invoke_endpoint
from mnist_exp.workspaces.local.endpoints.readout import deployment_now, endpoint_now, statistics_of
from mnist_exp.workspaces.local.endpoints.registry import Registry
from mnist_exp.workspaces.local.endpoints.sockets import listen
from mnist_exp.workspaces.local.endpoints.staging import ModelFiles, fingerprint
from mnist_exp.workspaces.local.endpoints.state_files import EndpointFolder, outputs_errors

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
        self._registry = Registry(root)
        self._leave_out = leave_out

    def create_or_update(self, spec: EndpointSpec) -> Endpoint:
        """Make the endpoint with its address and keys, or update the one there is.

        What is None or empty leaves what there is, so that a deployment can be updated without
        an interruption; a traffic of 0 for a name takes it all away.

        Raises:
            ConfigError: The name or the traffic breaks Azure's rules.
            ConflictError: The port is taken.
        """
        folder = self._registry.folder(spec.name)
        self._registry.unexpired(folder)
        with outputs_errors(folder.path), folder.locked():
            before = folder.load()
            known = folder.deployments()
            record = updated(before or EndpointRecord(spec.name), spec, known, time.time())
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
        folder, _ = self._registry.existing(spec.endpoint)
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
        record = self._registry.folder(endpoint).load()
        if record is None or not record.port:
            listen(port).close()
        elif record.port != port:
            raise port_conflict(record, port)

    def get(self, name: str) -> Endpoint:
        """Return the endpoint as it is now: nothing claims to run that does not."""
        folder, record = self._registry.existing(name)
        return endpoint_now(folder, record)

    def list(self) -> tuple[Endpoint, ...]:
        """Return all endpoints, by name."""
        found = []
        for name in self._registry.names():
            # One that expires, or that another command deletes, may go at any moment.
            with suppress(NotFoundError):
                found.append(self.get(name))
        return tuple(found)

    def statistics(self, name: str) -> Mapping[str, DeploymentStatistics]:
        """Return how each deployment has done since the front began, and who works for it."""
        folder, _ = self._registry.existing(name)
        if folder.front() is None:
            return {}
        with front_line(folder) as front:
            report = front.report()
        return {deployment: statistics_of(raw) for deployment, raw in report.items()}

    def keys(self, name: str) -> Credentials:
        """Return what opens the endpoint; never print or record it."""
        return self._registry.existing(name)[0].keys()

    def invoke(self, name: str, body: bytes, deployment: str | None = None) -> object:
        """Send one scoring request and return the parsed answer.

        Args:
            name: The endpoint; its front is started again if it was killed.
            body: The request's body, as it is.
            deployment: Who answers; None leaves that to the traffic.

        Raises:
            EndpointError: There is nobody to answer, or the answer is an error.
        """
        folder, record = self._registry.existing(name)
        with outputs_errors(folder.path):
            return invoke_endpoint(folder, record, body, deployment)

    def logs(self, name: str, deployment: str, lines: int = 50) -> Sequence[str]:
        """Return the last lines that a deployment printed."""
        folder = self._registry.deployment(name, deployment)
        record = folder.load()
        with outputs_errors(folder.path):
            return last_lines(folder.log(record.revision), lines) if record else []

    def delete(self, name: str) -> None:
        """End every process of the endpoint, after its last answer, and remove its files.

        Raises:
            EndpointError: A process is still there.
        """
        self._registry.remove(name)

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
