"""Endpoints and deployments as azure-ai-ml's entities."""

from dataclasses import asdict
from typing import Any

from azure.ai.ml.entities import (
    CodeConfiguration,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    OnlineRequestSettings,
)
from azure.ai.ml.entities import (
    ProbeSettings as ProbeEntity,
)

from mnist_exp.specs import DeploymentSpec, EndpointSpec, ProbeSettings, RequestSettings
from mnist_exp.workspaces.azure.translation.assets import environment_of

__all__ = ["deployment_entity", "endpoint_entity"]


def endpoint_entity(spec: EndpointSpec) -> ManagedOnlineEndpoint:
    """Return the endpoint.

    https://learn.microsoft.com/azure/machine-learning/reference-yaml-endpoint-online
    """
    return ManagedOnlineEndpoint(
        name=spec.name,
        auth_mode=spec.auth_mode.value,
        description=spec.description,
        traffic=dict(spec.traffic) or None,
        mirror_traffic={name: share for name, share in spec.mirror_traffic.items() if share}
        or None,
    )


def deployment_entity(spec: DeploymentSpec) -> ManagedOnlineDeployment:
    """Return the deployment.

    https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-managed-online

    Raises:
        UnsupportedError: Azure has no such environment.
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


def _probe(probe: ProbeSettings) -> ProbeEntity | None:
    """Return None for Azure ML's own defaults."""
    return None if probe == ProbeSettings() else ProbeEntity(**asdict(probe))


def _settings(settings: RequestSettings) -> OnlineRequestSettings | None:
    """Return None for Azure ML's own defaults."""
    if settings == RequestSettings():
        return None
    return OnlineRequestSettings(
        request_timeout_ms=settings.request_timeout_ms,
        max_concurrent_requests_per_instance=settings.max_concurrent_requests_per_instance,
    )
