"""Online endpoints: created, deployed to, asked, deleted."""

from collections.abc import Callable, Sequence
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from mnist_exp.errors import JobError, MnistExpError, ServiceError
from mnist_exp.results import Deployment, Endpoint
from mnist_exp.specs import DeploymentSpec, EndpointSpec
from mnist_exp.workspaces.azure.connection import Connection
from mnist_exp.workspaces.azure.retrying import Retrying
from mnist_exp.workspaces.azure.translation import deployment_entity, endpoint_entity, shares

_TAIL_LINES = 20


class Endpoints:
    """The workspace's online endpoints."""

    def __init__(self, connection: Connection, retrying: Retrying) -> None:
        self._endpoints = connection.client.online_endpoints
        self._deployments = connection.client.online_deployments
        self._retrying = retrying

    def create_or_update(self, spec: EndpointSpec) -> Endpoint:
        """Make the endpoint, or change traffic, keys and description of the one there is."""
        doing = f"endpoint {spec.name}"
        if spec.regenerate_key is not None:
            self._regenerate(doing, spec)
        if spec.regenerate_key is None or spec.traffic or spec.mirror_traffic:
            found = self._retrying.call(doing, self._unless_gone(spec.name, self._endpoints.get))
            whole = endpoint_entity(spec, found)
            self._retrying.call(
                doing,
                lambda: self._endpoints.begin_create_or_update(whole).result(),
                settling=True,
            )
        return self._retrying.call(doing, lambda: self._read(spec.name), settling=True)

    def deploy(self, spec: DeploymentSpec) -> Deployment:
        """Make or replace a deployment and wait until it answers.

        Raises:
            JobError: It did not come up; its log is told.
        """
        doing = f"endpoint.deployment {spec.name}"
        try:
            made = self._retrying.call(
                doing,
                lambda: self._deployments.begin_create_or_update(deployment_entity(spec)).result(),
                settling=True,
            )
        except ServiceError as error:
            raise self._failure(spec, error) from error
        return Deployment(
            name=spec.name,
            provisioning_state=_text(made.provisioning_state),
            model=spec.model,
            scoring_uri=None,
        )

    def get(self, name: str) -> Endpoint:
        """Return the endpoint, with its deployments as they are now.

        Raises:
            NotFoundError: There is none.
        """
        return self._retrying.call(f"endpoint.name {name}", lambda: self._read(name))

    def listed(self) -> Sequence[Endpoint]:
        """Return all endpoints, by name."""
        found = self._retrying.call("endpoint", lambda: list(self._endpoints.list()))
        return [self.get(str(name)) for name in sorted(one.name for one in found)]

    def logs(self, endpoint: str, deployment: str, lines: int) -> Sequence[str]:
        """Return the last lines that a deployment printed."""
        text = self._retrying.call(
            f"endpoint.deployment {deployment}",
            lambda: self._deployments.get_logs(deployment, endpoint, lines=lines),
        )
        return str(text).splitlines()[-lines:]

    def delete(self, name: str) -> None:
        """Delete the endpoint with all its deployments, wait, and see that it is gone.

        Raises:
            NotFoundError: There is none.
            ServiceError: It is still there.
        """
        doing = f"endpoint {name}"
        self._retrying.call(doing, lambda: self._endpoints.get(name))
        self._retrying.call(doing, self._unless_gone(name, self._delete_now))
        if self._retrying.call(doing, self._unless_gone(name, self._endpoints.get)) is not None:
            raise ServiceError(
                f"{doing}: is still there after it was deleted and goes on to cost money; "
                "run mnist-exp stage=cleanup again, or delete it in the studio"
            )

    def costly(self) -> list[str]:
        """Return a line for each endpoint that there is."""
        found = self._retrying.call("endpoint", lambda: list(self._endpoints.list()))
        return [
            f"endpoint {one.name}: its deployments cost money until it is deleted; "
            f"mnist-exp stage=cleanup endpoint.name={one.name}"
            for one in found
        ]

    def _regenerate(self, doing: str, spec: EndpointSpec) -> None:
        kind = str(spec.regenerate_key)
        self._retrying.call(
            f"{doing}, {kind} key",
            lambda: self._endpoints.begin_regenerate_keys(spec.name, key_type=kind).result(),
        )

    def _delete_now(self, name: str) -> Any:
        return self._endpoints.begin_delete(name).result()

    def _unless_gone(self, name: str, action: Callable[[str], Any]) -> Callable[[], Any]:
        def done() -> Any:
            try:
                return action(name)
            except ResourceNotFoundError:
                return None

        return done

    def _read(self, name: str) -> Endpoint:
        found = self._endpoints.get(name)
        deployments = list(self._deployments.list(name))
        return Endpoint(
            name=name,
            provisioning_state=_text(found.provisioning_state),
            scoring_uri=found.scoring_uri,
            traffic=shares(found.traffic),
            mirror_traffic=shares(found.mirror_traffic),
            auth_mode=_text(found.auth_mode),
            deployments=[
                Deployment(
                    name=one.name,
                    provisioning_state=_text(one.provisioning_state),
                    model=_model(one.model),
                    scoring_uri=found.scoring_uri,
                )
                for one in deployments
            ],
        )

    def _failure(self, spec: DeploymentSpec, error: MnistExpError) -> JobError:
        """Return what the deployment's own log says of its failure."""
        try:
            tail = [line for line in self.logs(spec.endpoint, spec.name, _TAIL_LINES) if line]
        except MnistExpError:
            tail = []
        last = f": {tail[-1].strip()}" if tail else ""
        return JobError(
            f"{error}{last}; mend it and run stage=deploy endpoint.name={spec.endpoint} again, or "
            f"stage=cleanup endpoint.name={spec.endpoint}: until then it costs money",
            tail,
        )


def _text(state: Any) -> str:
    return str(getattr(state, "value", state))


def _model(reference: Any) -> str:
    """Return `name:version` of a model's resource id."""
    parts = str(reference).split("/")
    if len(parts) > 3 and parts[-2] == "versions":
        return f"{parts[-3]}:{parts[-1]}"
    return str(reference).removeprefix("azureml:")
