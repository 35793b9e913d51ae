"""Forms of online endpoints and deployments.

A form is a dictionary with the field names and the structure of Azure ML's YAML. Dry runs and
requests contain every field of a form.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from mnist_exp.azure_form.assets import Form, environment_form
from mnist_exp.config import DeploymentConfig
from mnist_exp.specs import DeploymentSpec, EndpointSpec

#: Fields whose name or structure on Azure ML differs from the config's.
_CONVERTED = {"name", "endpoint", "model", "code", "scoring_script", "environment"}


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

    The form contains every field of `DeploymentConfig`. A new field needs no change here if it
    has the same name and structure in the config and in Azure ML.
    https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-managed-online
    """
    return {
        "name": spec.name,
        "endpoint_name": spec.endpoint,
        "model": f"azureml:{spec.model}",
        **_scoring(spec),
        **dict(_other_fields(spec)),
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


def _other_fields(spec: DeploymentSpec) -> Iterator[tuple[str, Any]]:
    """Yield the fields that have the same name and structure in the config and on Azure ML.

    The function omits null, and mappings that equal Azure ML's defaults.
    """
    defaults = asdict(DeploymentConfig())
    for name, value in asdict(spec).items():
        is_default_mapping = isinstance(value, dict) and value == defaults.get(name)
        if name not in _CONVERTED and value is not None and not is_default_mapping:
            yield name, value
