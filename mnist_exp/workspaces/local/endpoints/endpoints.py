"""Create, update, invoke and delete the endpoints of a local workspace."""

import shutil
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
from mnist_exp.traffic import (
    deletion_fault,
    overlap_faults,
    share_faults,
    unknown_deployment_faults,
)
from mnist_exp.workspaces.local.endpoints.deployment_update import DeploymentUpdate
from mnist_exp.workspaces.local.endpoints.front_client import apply_files, connect_front, listen
from mnist_exp.workspaces.local.endpoints.invocation import invoke_endpoint
from mnist_exp.workspaces.local.endpoints.registry import Registry
from mnist_exp.workspaces.local.endpoints.results import (
    deployment_result,
    endpoint_result,
    statistics_result,
)
from mnist_exp.workspaces.local.endpoints.server_processes import kill_processes_below
from mnist_exp.workspaces.local.endpoints.staging import ModelFiles
from mnist_exp.workspaces.local.endpoints.state_files import (
    DeploymentFolder,
    EndpointFolder,
    ProvisioningState,
    outputs_errors,
)
from mnist_exp.workspaces.local.environments.interpreter import Interpreter, this_interpreter

#: Azure ML's maximum number of deployments per endpoint.
#: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
MOST_DEPLOYMENTS = 20


class Endpoints:
    """The endpoints with a saved state in one root folder.

    All methods raise only errors of the class `MnistExpError`. A method that changes an endpoint
    raises `RefusedError` if another command is changing the same endpoint.

    Args:
        root: The folder that contains one folder per endpoint. The root folder may be missing.
        leave_out: The outputs folder. Its files are never copied with the code.
    """

    def __init__(self, root: Path, leave_out: Path | None = None) -> None:
        self._registry = Registry(root)
        self._leave_out = leave_out

    def create_or_update(self, spec: EndpointSpec) -> Endpoint:
        """Create an endpoint with address and keys, or update the existing endpoint.

        If a field of the spec is None or empty, the endpoint keeps the present value of the field.
        An update without traffic therefore does not change the traffic. A deployment with a traffic
        of 0 gets no requests.

        Raises:
            ConfigError: The name or the traffic breaks Azure's rules.
            RefusedError: The port cannot be used, usually because another program listens on it.
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
            # Users read the token from the file. If auth_mode is aml_token, this call creates or
            # renews the token in the file.
            folder.keys()
            apply_files(folder)
        return self.get(spec.name)

    def deploy(
        self, spec: DeploymentSpec, model: ModelFiles, interpreter: Interpreter | None = None
    ) -> Deployment:
        """Create or update a deployment, and wait until the deployment is ready.

        Do nothing if the deployment already has the same code, model and settings.

        Args:
            spec: The deployment.
            model: The model's files.
            interpreter: The Python that runs the workers; None means the Python of this process.

        Raises:
            JobError: The new revision did not get ready. The previous revision is not replaced.
        """
        with self._registry.locked(spec.endpoint) as (folder, _):
            _check_deployment(folder, spec.name)
            python = interpreter or this_interpreter()
            update = DeploymentUpdate(folder, spec, model, python, self._leave_out)
            if not self._is_unchanged(folder, update):
                update.run()
        return deployment_result(folder, spec.name)

    def check_port(self, endpoint: str, port: int | None) -> None:
        """Check that an endpoint can use a port.

        Raises:
            RefusedError: The port cannot be used, usually because another program listens on it;
                or the endpoint already has a different port.
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
            # Skip an endpoint that has expired or was deleted since the names were read.
            with suppress(NotFoundError):
                found.append(self.get(name))
        return tuple(found)

    def statistics(self, name: str) -> Mapping[str, DeploymentStatistics]:
        """Return the statistics of each deployment.

        The counts of all deployments are 0 when the front starts. The counts of a deployment are
        reset to 0 when a new revision is deployed. If the front does not run, the result is empty.
        """
        folder, _ = self._registry.existing(name)
        if folder.front() is None:
            return {}
        with connect_front(folder) as front:
            report = front.report()
        return {deployment: statistics_result(raw) for deployment, raw in report.items()}

    def keys(self, name: str) -> Credentials:
        """Return the endpoint's keys and token. Callers must not print or save the keys."""
        return self._registry.existing(name)[0].keys()

    def invoke(self, name: str, body: bytes, deployment: str | None = None) -> object:
        """Send one scoring request and return the parsed response.

        Args:
            name: The endpoint's name. If the endpoint's front has ended, the front is restarted.
            body: The request's body.
            deployment: The deployment that must answer. If None, the front chooses a deployment by
                the traffic percentages.

        Raises:
            EndpointError: No deployment can answer, or the response is an error.
        """
        folder, saved = self._registry.existing(name)
        with outputs_errors(folder.path):
            return invoke_endpoint(folder, saved, body, deployment)

    def logs(self, name: str, deployment: str, lines: int = 50) -> Sequence[str]:
        """Return the last lines of a deployment's log."""
        endpoint, _ = self._registry.existing(name)
        folder = _existing_deployment(endpoint, deployment)
        saved = folder.load()
        with outputs_errors(folder.path):
            return last_lines(folder.log(saved.revision), lines) if saved else []

    def delete(self, name: str) -> None:
        """End an endpoint's processes after their last response, then delete the endpoint's files.

        Raises:
            EndpointError: A process does not end.
        """
        self._registry.delete(name)

    def delete_deployment(self, endpoint: str, name: str) -> None:
        """Delete a deployment without traffic, after its workers have sent their last answers.

        If this process is killed during the deletion, the deployment does not serve. A second call
        deletes the remaining files.

        Raises:
            NotFoundError: The endpoint or the deployment does not exist.
            RefusedError: The deployment has live or mirrored traffic.
        """
        with self._registry.locked(endpoint) as (folder, saved):
            deployment, known = _existing_deployment(folder, name), folder.deployments()
            live, mirrored = saved.traffic, saved.mirror_traffic
            if fault := deletion_fault(endpoint, name, live, mirrored, known):
                raise RefusedError(fault)
            # The front ends the workers of a deployment without a saved state.
            deployment.state_file.unlink(missing_ok=True)
            if folder.front() is not None:
                apply_files(folder)
            kill_processes_below(deployment.path)
            shutil.rmtree(deployment.path)

    def _is_unchanged(self, folder: EndpointFolder, update: DeploymentUpdate) -> bool:
        """Return whether the deployment already serves the spec and the model of an update."""
        spec = update.spec
        saved = folder.deployment(spec.name).load()
        state = deployment_result(folder, spec.name).provisioning_state
        if saved is None or state != ProvisioningState.SUCCEEDED:
            return False
        return saved.fingerprint == update.fingerprint


def _existing_deployment(folder: EndpointFolder, name: str) -> DeploymentFolder:
    """Return a deployment's folder.

    Raises:
        NotFoundError: The endpoint has no such deployment.
    """
    known = folder.deployments()
    if name not in known:
        listed = ", ".join(known) or "none; deploy first"
        raise NotFoundError(
            f"endpoint.deployment.name: {folder.path.name} has no deployment {name!r}; "
            f"existing deployments: {listed}"
        )
    return folder.deployment(name)


def _check_deployment(folder: EndpointFolder, name: str) -> None:
    where = "endpoint.deployment.name"
    if fault := endpoint_name_fault(name):
        raise ConfigError([f"{where}: {fault}"])
    known = folder.deployments()
    if name not in known and len(known) >= MOST_DEPLOYMENTS:
        raise ConfigError(
            [
                f"{where}: an endpoint can have at most {MOST_DEPLOYMENTS} deployments, got "
                f"{name} in addition to {len(known)} deployments; use the name of an existing "
                "deployment"
            ]
        )


def _updated(
    before: EndpointState, spec: EndpointSpec, deployments: Collection[str], now: float
) -> EndpointState:
    """Return an endpoint's state after an update. Empty fields of the spec change nothing.

    Args:
        before: The saved state before the update, or the initial state of a new endpoint.
        spec: The update.
        deployments: The names of the endpoint's deployments.
        now: The present time, in seconds since 1970. The time to live begins at this time.

    Raises:
        ConfigError: The traffic breaks Azure's rules.
        RefusedError: The endpoint already has a different port.
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
        # The port is 0 until the front listens for the first time and the system chooses a port.
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
        f"endpoint.port: must stay {saved.port}, the port of endpoint {saved.name}, got {port}; "
        "omit endpoint.port, or create another endpoint"
    )


def _shares(requested: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """Return the new traffic in percent, without deployments that get no traffic.

    Args:
        requested: The traffic of the update. If empty, the traffic does not change.
        before: The traffic before the update.
    """
    return {name: percent for name, percent in (requested or before).items() if percent}
