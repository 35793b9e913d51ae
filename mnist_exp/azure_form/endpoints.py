"""Forms of online endpoints and deployments.

A new field of a deployment needs one line in `deployment_form`. Both translations then carry it.
"""

from mnist_exp.azure_form.assets import Form, environment_form
from mnist_exp.config import ProbeConfig, RequestSettingsConfig
from mnist_exp.specs import DeploymentSpec, EndpointSpec


def endpoint_form(spec: EndpointSpec) -> Form:
    """Return what the spec says of an endpoint; a field that it leaves open is missing.

    https://learn.microsoft.com/azure/machine-learning/reference-yaml-endpoint-online
    """
    given = {
        "auth_mode": spec.auth_mode.value if spec.auth_mode else None,
        "description": spec.description,
        "traffic": dict(spec.traffic),
        "mirror_traffic": dict(spec.mirror_traffic),
    }
    return {"name": spec.name, **{name: value for name, value in given.items() if value}}


def deployment_form(spec: DeploymentSpec) -> Form:
    """Return a deployment.

    https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-managed-online
    """
    settings = {
        "request_settings": (spec.request_settings, RequestSettingsConfig()),
        "liveness_probe": (spec.liveness_probe, ProbeConfig()),
        "readiness_probe": (spec.readiness_probe, ProbeConfig()),
    }
    return {
        "name": spec.name,
        "endpoint_name": spec.endpoint,
        "model": f"azureml:{spec.model}",
        **_scoring(spec),
        "environment_variables": dict(spec.environment_variables),
        "instance_type": spec.instance_type,
        "instance_count": spec.instance_count,
        # Settings that equal Azure ML's defaults are left to Azure ML.
        **{name: dict(vars(given)) for name, (given, usual) in settings.items() if given != usual},
    }


def _scoring(spec: DeploymentSpec) -> Form:
    """Return script and environment; a model of type mlflow_model brings both."""
    if spec.scoring_script is None:
        return {}
    return {
        "code_configuration": {"code": str(spec.code), "scoring_script": spec.scoring_script},
        "environment": environment_form(spec.environment),
    }
