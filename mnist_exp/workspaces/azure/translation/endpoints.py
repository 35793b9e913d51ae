"""Endpoints and deployments as azure-ai-ml's entities."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from azure.ai.ml.entities import (
    CodeConfiguration,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    OnlineEndpoint,
    OnlineRequestSettings,
)
from azure.ai.ml.entities import ProbeSettings as ProbeEntity

from mnist_exp.config import AuthMode, ProbeConfig, RequestSettingsConfig
from mnist_exp.specs import DeploymentSpec, EndpointSpec
from mnist_exp.workspaces.azure.translation.assets import environment_of


def endpoint_entity(spec: EndpointSpec, before: OnlineEndpoint | None = None) -> OnlineEndpoint:
    """Return the endpoint.

    https://learn.microsoft.com/azure/machine-learning/reference-yaml-endpoint-online

    Args:
        spec: What it is to be.
        before: What it is, if it is there already: what is sent replaces all there is, and an
            endpoint without traffic answers nobody.
    """
    kept = before or ManagedOnlineEndpoint(name=spec.name, auth_mode=AuthMode.key.value)
    return ManagedOnlineEndpoint(
        name=spec.name,
        auth_mode=spec.auth_mode.value if spec.auth_mode else str(kept.auth_mode),
        description=spec.description or kept.description,
        traffic=dict(spec.traffic) or shares(kept.traffic) or None,
        mirror_traffic=shares(spec.mirror_traffic or kept.mirror_traffic) or None,
        tags=kept.tags,
        identity=kept.identity,
        public_network_access=getattr(kept, "public_network_access", None),
    )


def deployment_entity(spec: DeploymentSpec) -> ManagedOnlineDeployment:
    """Return the deployment.

    https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-managed-online

    Raises:
        RefusedError: Azure has no such environment.
    """
    return ManagedOnlineDeployment(
        name=spec.name,
        endpoint_name=spec.endpoint,
        model=f"azureml:{spec.model}",
        **_scoring(spec),
        environment_variables=dict(spec.environment_variables),
        instance_type=spec.instance_type,
        instance_count=spec.instance_count,
        request_settings=_settings(spec.request_settings),
        liveness_probe=_probe(spec.liveness_probe),
        readiness_probe=_probe(spec.readiness_probe),
    )


def _scoring(spec: DeploymentSpec) -> dict[str, Any]:
    """Return script and environment; a model of type mlflow_model brings its own."""
    if spec.scoring_script is None:
        return {}
    return {
        "code_configuration": CodeConfiguration(
            code=str(spec.code), scoring_script=spec.scoring_script
        ),
        "environment": environment_of(spec.environment, "endpoint.deployment.environment"),
    }


def _probe(probe: ProbeConfig) -> ProbeEntity | None:
    """Return None for Azure ML's own defaults."""
    return None if probe == ProbeConfig() else ProbeEntity(**asdict(probe))


def _settings(settings: RequestSettingsConfig) -> OnlineRequestSettings | None:
    """Return None for Azure ML's own defaults."""
    if settings == RequestSettingsConfig():
        return None
    return OnlineRequestSettings(
        request_timeout_ms=settings.request_timeout_ms,
        max_concurrent_requests_per_instance=settings.max_concurrent_requests_per_instance,
    )


def shares(traffic: Mapping[str, int] | None) -> dict[str, int]:
    """Return the traffic of those that have any: Azure tells of the others as well."""
    return {name: percent for name, percent in (traffic or {}).items() if percent}
