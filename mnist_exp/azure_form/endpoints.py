"""Forms of online endpoints and deployments.

A form is a dictionary with the field names and the structure of Azure ML's YAML. To add a field to
the form of a deployment, add one line to `deployment_form`. Dry runs and requests then contain the
field.
"""

from mnist_exp.azure_form.assets import Form, environment_form
from mnist_exp.config import ProbeConfig, RequestSettingsConfig
from mnist_exp.specs import DeploymentSpec, EndpointSpec


def endpoint_form(spec: EndpointSpec) -> Form:
    """Return the form of an endpoint, without the fields that are empty in the spec.

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
    """Return the form of a deployment.

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
        # Omit settings that equal Azure ML's defaults.
        **{name: dict(vars(given)) for name, (given, usual) in settings.items() if given != usual},
    }


def _scoring(spec: DeploymentSpec) -> Form:
    """Return the fields for the scoring script and its environment.

    Without a scoring script the result is empty. Azure ML then provides the script and the
    environment, because the model has the type mlflow_model.
    """
    if spec.scoring_script is None:
        return {}
    return {
        "code_configuration": {"code": str(spec.code), "scoring_script": spec.scoring_script},
        "environment": environment_form(spec.environment),
    }
