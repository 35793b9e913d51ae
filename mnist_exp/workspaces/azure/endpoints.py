"""Create, read and delete online endpoints, and create their deployments."""

from collections.abc import Callable, Sequence
from typing import Any

from azure.ai.ml.entities import ManagedOnlineDeployment
from azure.core.exceptions import ResourceNotFoundError

from mnist_exp.errors import JobError, MnistExpError, ServiceError
from mnist_exp.results import Deployment, Endpoint
from mnist_exp.specs import DeploymentSpec, EndpointSpec
from mnist_exp.workspaces.azure.code_assets import CodeAssets
from mnist_exp.workspaces.azure.retries import RetryPolicy
from mnist_exp.workspaces.azure.translation import (
    deployment_entity,
    endpoint_entity,
    traffic_shares,
)
from mnist_exp.workspaces.azure.workspace_client import WorkspaceClient

#: Maximum number of log lines that the error of a failed deployment contains.
_TAIL_LINES = 20


class Endpoints:
    """The workspace's online endpoints."""

    def __init__(self, client: WorkspaceClient, retries: RetryPolicy, code: CodeAssets) -> None:
        self._code = code
        self._endpoints = client.sdk.online_endpoints
        self._deployments = client.sdk.online_deployments
        self._retries = retries

    def create_or_update(self, spec: EndpointSpec) -> Endpoint:
        """Create an endpoint, or change an existing endpoint's traffic, keys and description."""
        subject = f"endpoint {spec.name}"
        if spec.regenerate_key is not None:
            self._regenerate_key(subject, spec)
        if spec.regenerate_key is None or spec.traffic or spec.mirror_traffic:
            found = self._retries.call(subject, _none_if_missing(self._endpoints.get, spec.name))
            entity = endpoint_entity(spec, found)
            self._retries.call(
                subject,
                lambda: self._endpoints.begin_create_or_update(entity).result(),
                settling=True,
                wait="waiting until Azure has created or changed the endpoint",
            )
        return self._retries.call(subject, lambda: self._read(spec.name), settling=True)

    def deploy(self, spec: DeploymentSpec) -> Deployment:
        """Create or replace a deployment, and wait until the deployment can answer requests.

        Raises:
            JobError: The deployment did not start. The message quotes the deployment's log.
        """
        subject = f"endpoint.deployment {spec.name}"
        try:
            deployed = self._retries.call(
                subject,
                lambda: self._deployments.begin_create_or_update(self._entity(spec)).result(),
                settling=True,
                wait="waiting until the deployment can answer; Azure usually needs 5 to 15 minutes",
            )
        except ServiceError as error:
            raise self._deployment_error(spec, error) from error
        return Deployment(
            name=spec.name,
            provisioning_state=_text(deployed.provisioning_state),
            model=spec.model,
            scoring_uri=None,
        )

    def _entity(self, spec: DeploymentSpec) -> ManagedOnlineDeployment:
        """Upload the code, and return a new entity of the deployment."""
        entity = deployment_entity(spec)
        if (configuration := entity.code_configuration) is not None:
            configuration.code = self._code.upload(str(configuration.code))
        return entity

    def get(self, name: str) -> Endpoint:
        """Return the endpoint with its deployments.

        Raises:
            NotFoundError: There is no endpoint of that name.
        """
        return self._retries.call(f"endpoint.name {name}", lambda: self._read(name))

    def list_all(self) -> Sequence[Endpoint]:
        """Return all endpoints, sorted by name."""
        found = self._retries.call("endpoint", lambda: list(self._endpoints.list()))
        return [self.get(str(name)) for name in sorted(endpoint.name for endpoint in found)]

    def logs(self, endpoint: str, deployment: str, lines: int) -> Sequence[str]:
        """Return the last lines that a deployment printed."""
        text = self._retries.call(
            f"endpoint.deployment {deployment}",
            lambda: self._deployments.get_logs(deployment, endpoint, lines=lines),
        )
        return str(text).splitlines()[-lines:]

    def delete(self, name: str) -> None:
        """Delete the endpoint with all its deployments, and check that Azure has deleted it.

        Raises:
            NotFoundError: There is no endpoint of that name.
            ServiceError: The endpoint still exists after Azure has completed the deletion.
        """
        subject = f"endpoint {name}"
        self._retries.call(subject, lambda: self._endpoints.get(name))
        self._retries.call(
            subject,
            _none_if_missing(self._begin_delete, name),
            wait="waiting until Azure has deleted the endpoint",
        )
        if self._retries.call(subject, _none_if_missing(self._endpoints.get, name)) is not None:
            raise ServiceError(
                f"{subject}: still exists after the deletion, and still costs money; "
                f"run mnist-exp stage=cleanup endpoint.name={name} again, or delete the endpoint "
                "in Azure ML studio"
            )

    def delete_deployment(self, endpoint: str, name: str) -> None:
        """Delete a deployment. Azure refuses to delete a deployment with traffic.

        Raises:
            NotFoundError: There is no such deployment.
        """
        subject = f"endpoint.deployment {name}"
        self._retries.call(subject, lambda: self._deployments.get(name, endpoint))
        self._retries.call(
            subject,
            _none_if_missing(lambda one: self._begin_delete_deployment(one, endpoint), name),
            settling=True,
            wait="waiting until Azure has deleted the deployment",
        )

    def costs(self) -> list[str]:
        """Return a line for each endpoint, because every endpoint costs money."""
        found = self._retries.call("endpoint", lambda: list(self._endpoints.list()))
        return [
            f"endpoint {endpoint.name}: its deployments cost money until the endpoint is deleted; "
            f"to delete it, run mnist-exp stage=cleanup endpoint.name={endpoint.name}"
            for endpoint in found
        ]

    def _regenerate_key(self, subject: str, spec: EndpointSpec) -> None:
        kind = str(spec.regenerate_key)
        self._retries.call(
            f"{subject}, {kind} key",
            lambda: self._endpoints.begin_regenerate_keys(spec.name, key_type=kind).result(),
            wait="waiting until Azure has created the key",
        )

    def _begin_delete(self, name: str) -> Any:
        return self._endpoints.begin_delete(name).result()

    def _begin_delete_deployment(self, name: str, endpoint: str) -> Any:
        return self._deployments.begin_delete(name, endpoint).result()

    def _read(self, name: str) -> Endpoint:
        found = self._endpoints.get(name)
        return Endpoint(
            name=name,
            provisioning_state=_text(found.provisioning_state),
            scoring_uri=found.scoring_uri,
            traffic=traffic_shares(found.traffic),
            mirror_traffic=traffic_shares(found.mirror_traffic),
            auth_mode=_text(found.auth_mode),
            deployments=[
                Deployment(
                    name=one.name,
                    provisioning_state=_text(one.provisioning_state),
                    model=_model_reference(one.model),
                    scoring_uri=found.scoring_uri,
                )
                for one in self._deployments.list(name)
            ],
        )

    def _deployment_error(self, spec: DeploymentSpec, error: MnistExpError) -> JobError:
        """Return an error that quotes the deployment's own log."""
        try:
            tail = [line for line in self.logs(spec.endpoint, spec.name, _TAIL_LINES) if line]
        except MnistExpError:
            tail = []
        last = f": {tail[-1].strip()}" if tail else ""
        return JobError(
            f"{error}{last}; the deployment costs money although it failed: fix the fault and run "
            f"stage=deploy endpoint.name={spec.endpoint} again, or delete the endpoint with "
            f"stage=cleanup endpoint.name={spec.endpoint}",
            tail,
        )


def _none_if_missing(action: Callable[[str], Any], name: str) -> Callable[[], Any]:
    """Return a function without arguments that calls the action with the name.

    The function returns the action's result, or None if Azure does not find the name.
    """

    def call() -> Any:
        try:
            return action(name)
        except ResourceNotFoundError:
            return None

    return call


def _text(state: Any) -> str:
    return str(getattr(state, "value", state))


def _model_reference(model: Any) -> str:
    """Return the reference `name:version` for a model's resource id."""
    parts = str(model).split("/")
    if len(parts) > 3 and parts[-2] == "versions":
        return f"{parts[-3]}:{parts[-1]}"
    return str(model).removeprefix("azureml:")
