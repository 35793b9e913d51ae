"""The verbs of a local workspace for endpoints: create, deploy, invoke, delete and others."""

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mnist_exp.errors import ConfigError, NotFoundError, RefusedError
from mnist_exp.names import endpoint_name_fault
from mnist_exp.results import Deployment, DeploymentStatistics, Endpoint
from mnist_exp.serving.files import Credentials, EndpointState, last_lines
from mnist_exp.specs import DeploymentSpec, EndpointSpec
from mnist_exp.traffic import overlap_faults, share_faults, unknown_deployment_faults
from mnist_exp.workspaces.local.endpoints.deployment_update import DeploymentUpdate
from mnist_exp.workspaces.local.endpoints.front_client import apply_files, connect_front, listen
from mnist_exp.workspaces.local.endpoints.invocation import invoke_endpoint
from mnist_exp.workspaces.local.endpoints.registry import Registry
from mnist_exp.workspaces.local.endpoints.results import (
    deployment_result,
    endpoint_result,
    statistics_result,
)
from mnist_exp.workspaces.local.endpoints.staging import ModelFiles, fingerprint
from mnist_exp.workspaces.local.endpoints.state_files import (
    EndpointFolder,
    ProvisioningState,
    outputs_errors,
)

#: Azure ML's limit of deployments per endpoint.
#: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
MOST_DEPLOYMENTS = 20


class Endpoints:
    """The endpoints whose state is in one root folder.

    Every method raises only `MnistExpError`. Methods that change an endpoint raise `RefusedError`
    while another command changes it.

    Args:
        root: The folder with one folder per endpoint. It need not exist yet.
        leave_out: A folder whose files are not part of any code: the outputs folder.
    """

    def __init__(self, root: Path, leave_out: Path | None = None) -> None:
        self._registry = Registry(root)
        self._leave_out = leave_out

    def create_or_update(self, spec: EndpointSpec) -> Endpoint:
        """Create the endpoint with its address and keys, or update the existing one.

        Fields that are None or empty keep their present value, so that the traffic survives an
        update. A traffic of 0 takes all traffic from a deployment.

        Raises:
            ConfigError: The name or the traffic breaks Azure's rules.
            RefusedError: The port is taken.
        """
        folder = self._registry.folder(spec.name)
        self._registry.unexpired(folder)
        with outputs_errors(folder.path), folder.locked():
            before = folder.load()
            known = folder.deployments()
            saved = _updated(before or EndpointState(spec.name), spec, known, time.time())
            if before is None:
                self.check_port(spec.name, spec.port)
            folder.save(saved)
            if spec.regenerate_key is not None:
                folder.regenerate(spec.regenerate_key.value)
            # With auth_mode aml_token, this also creates the token that users read from the file.
            folder.keys()
            apply_files(folder)
        return self.get(spec.name)

    def deploy(self, spec: DeploymentSpec, model: ModelFiles) -> Deployment:
        """Create or update the deployment, and return when it is ready.

        A deployment with the same code, model and settings stays as it is.

        Raises:
            JobError: The new revision did not get ready. The previous revision still serves.
        """
        folder, _ = self._registry.existing(spec.endpoint)
        self._check_deployment(folder, spec.name)
        with outputs_errors(folder.path), folder.locked():
            if not self._is_unchanged(folder, spec, model):
                DeploymentUpdate(folder, spec, model, self._leave_out).run()
        return deployment_result(folder, spec.name)

    def check_port(self, endpoint: str, port: int | None) -> None:
        """Check that an endpoint can have this port.

        Raises:
            RefusedError: The port is taken, or the endpoint has another port.
        """
        if port is None:
            return
        saved = self._registry.folder(endpoint).load()
        if saved is None or not saved.port:
            listen(port).close()
        elif saved.port != port:
            raise _port_conflict(saved, port)

    def get(self, name: str) -> Endpoint:
        """Return the present state of the endpoint."""
        folder, saved = self._registry.existing(name)
        return endpoint_result(folder, saved)

    def list(self) -> tuple[Endpoint, ...]:
        """Return all endpoints, sorted by name."""
        found = []
        for name in self._registry.names():
            # An endpoint can expire or be deleted by another command at any moment.
            with suppress(NotFoundError):
                found.append(self.get(name))
        return tuple(found)

    def statistics(self, name: str) -> Mapping[str, DeploymentStatistics]:
        """Return each deployment's statistics since the front started, and its workers."""
        folder, _ = self._registry.existing(name)
        if folder.front() is None:
            return {}
        with connect_front(folder) as front:
            report = front.report()
        return {deployment: statistics_result(raw) for deployment, raw in report.items()}

    def keys(self, name: str) -> Credentials:
        """Return the endpoint's keys and token. Never print or save them."""
        return self._registry.existing(name)[0].keys()

    def invoke(self, name: str, body: bytes, deployment: str | None = None) -> object:
        """Send one scoring request and return the parsed response.

        Args:
            name: The endpoint. If its front has ended, the front is restarted.
            body: The request's body.
            deployment: The deployment that must answer; None leaves the choice to the traffic.

        Raises:
            EndpointError: No deployment can answer, or the response is an error.
        """
        folder, saved = self._registry.existing(name)
        with outputs_errors(folder.path):
            return invoke_endpoint(folder, saved, body, deployment)

    def logs(self, name: str, deployment: str, lines: int = 50) -> Sequence[str]:
        """Return the last lines of a deployment's log."""
        folder = self._registry.deployment(name, deployment)
        saved = folder.load()
        with outputs_errors(folder.path):
            return last_lines(folder.log(saved.revision), lines) if saved else []

    def delete(self, name: str) -> None:
        """Delete an endpoint: end its processes after their last response, then delete its files.

        Raises:
            EndpointError: A process does not end.
        """
        self._registry.delete(name)

    def _is_unchanged(
        self, folder: EndpointFolder, spec: DeploymentSpec, model: ModelFiles
    ) -> bool:
        """Return whether the deployment already serves this spec and model."""
        saved = folder.deployment(spec.name).load()
        state = deployment_result(folder, spec.name).provisioning_state
        if saved is None or state != ProvisioningState.SUCCEEDED:
            return False
        if spec.code is not None and not Path(spec.code).is_dir():
            return False
        return saved.fingerprint == fingerprint(spec, model, self._leave_out)

    def _check_deployment(self, folder: EndpointFolder, name: str) -> None:
        where = "endpoint.deployment.name"
        if fault := endpoint_name_fault(name):
            raise ConfigError([f"{where}: {fault}"])
        known = folder.deployments()
        if name not in known and len(known) >= MOST_DEPLOYMENTS:
            raise ConfigError(
                [
                    f"{where}: an endpoint has at most {MOST_DEPLOYMENTS} deployments, got {name} "
                    f"beside {len(known)}; update an existing deployment"
                ]
            )


def _updated(
    before: EndpointState, spec: EndpointSpec, deployments: Collection[str], now: float
) -> EndpointState:
    """Return the saved state after an update. Empty fields of the spec change nothing.

    Args:
        before: The existing saved state, or a new one.
        spec: The update.
        deployments: The names of the endpoint's deployments.
        now: The present time in seconds of Unix time, at which the time to live begins.

    Raises:
        ConfigError: The traffic breaks Azure's rules.
        RefusedError: The endpoint has another port.
    """
    if before.port and spec.port not in (None, before.port):
        raise _port_conflict(before, spec.port)
    live = _shares(spec.traffic, before.traffic)
    mirrored = _shares(spec.mirror_traffic, before.mirror_traffic)
    faults = [
        *unknown_deployment_faults(spec.traffic, spec.mirror_traffic, deployments),
        *share_faults(spec.traffic, spec.mirror_traffic),
        *overlap_faults(live, mirrored),
    ]
    if faults:
        raise ConfigError(faults)
    return replace(
        before,
        # 0 until the front listens and the system has picked a port.
        port=before.port or spec.port or 0,
        auth_mode=spec.auth_mode.value if spec.auth_mode else before.auth_mode,
        description=spec.description or before.description,
        traffic=live,
        mirror_traffic=mirrored,
        token_lifetime=spec.token_lifetime or before.token_lifetime,
        expires=before.expires if spec.ttl is None else now + spec.ttl,
    )


def _port_conflict(saved: EndpointState, port: int | None) -> RefusedError:
    return RefusedError(
        f"endpoint.port: endpoint {saved.name} keeps its port {saved.port}, got {port}; "
        "leave endpoint.port out, or create another endpoint"
    )


def _shares(requested: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """Return the requested percentages, or else the present ones, without zeros."""
    return {name: percent for name, percent in (requested or before).items() if percent}
