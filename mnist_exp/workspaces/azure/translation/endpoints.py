"""Conversion of online endpoints and deployments to entities of azure-ai-ml.

A form is the content of a request, as plain mappings (see `mnist_exp.azure_form`).
"""

from collections.abc import Callable, Mapping
from typing import Any

from azure.ai.ml.entities import (
    CodeConfiguration,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    OnlineEndpoint,
    OnlineRequestSettings,
)
from azure.ai.ml.entities import ProbeSettings as ProbeEntity

from mnist_exp.azure_form.endpoints import deployment_form, endpoint_form
from mnist_exp.config import AuthMode
from mnist_exp.specs import DeploymentSpec, EndpointSpec
from mnist_exp.workspaces.azure.translation.assets import (
    entities,
    environment_entity,
    refuse_local_environment,
)

#: Field of a deployment's form -> function that converts the field to an entity.
_DEPLOYMENT: dict[str, Callable[[Any], Any]] = {
    "code_configuration": lambda form: CodeConfiguration(**form),
    "environment": environment_entity,
    "request_settings": lambda form: OnlineRequestSettings(**form),
    "liveness_probe": lambda form: ProbeEntity(**form),
    "readiness_probe": lambda form: ProbeEntity(**form),
}


def endpoint_entity(spec: EndpointSpec, before: OnlineEndpoint | None = None) -> OnlineEndpoint:
    """Return the entity of an endpoint.

    A request replaces all fields of an endpoint. The entity therefore repeats the current value of
    each field that the spec does not set. Otherwise the endpoint would lose its traffic and would
    answer no requests.

    Args:
        spec: The wanted endpoint.
        before: The current endpoint on Azure; None if the endpoint does not exist.
    """
    kept = before or ManagedOnlineEndpoint(name=spec.name, auth_mode=AuthMode.key.value)
    form = {
        "auth_mode": str(kept.auth_mode),
        "description": kept.description,
        "traffic": traffic_shares(kept.traffic) or None,
        "mirror_traffic": kept.mirror_traffic,
        **endpoint_form(spec),
    }
    return ManagedOnlineEndpoint(
        **{**form, "mirror_traffic": traffic_shares(form["mirror_traffic"]) or None},
        tags=kept.tags,
        identity=kept.identity,
        public_network_access=getattr(kept, "public_network_access", None),
    )


def deployment_entity(spec: DeploymentSpec) -> ManagedOnlineDeployment:
    """Return the entity of a deployment.

    Raises:
        RefusedError: Azure cannot use the environment.
    """
    if spec.scoring_script is not None:
        refuse_local_environment(spec.environment, "endpoint.deployment.environment")
    return ManagedOnlineDeployment(**entities(deployment_form(spec), _DEPLOYMENT))


def traffic_shares(traffic: Mapping[str, int] | None) -> dict[str, int]:
    """Return the traffic in percent, without the deployments for which Azure reports 0 percent."""
    return {name: percent for name, percent in (traffic or {}).items() if percent}
