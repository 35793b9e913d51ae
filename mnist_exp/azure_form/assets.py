"""Forms of compute targets, environments and models.

A form is a dictionary with the field names and the structure of Azure ML's YAML.
"""

from typing import Any, assert_never

from mnist_exp.config import ComputeConfig, EnvConfig, EnvType
from mnist_exp.specs import ModelSpec

#: Field name of Azure ML's YAML -> value.
Form = dict[str, Any]

#: The name that a dry run shows for `env=local`. Azure ML has no such environment.
_THIS_MACHINE = "azureml:this-machine@latest"


def cluster_form(spec: ComputeConfig) -> Form:
    """Return the form of a cluster. If `size` is empty, Azure ML chooses the size."""
    return {
        "name": spec.name,
        "type": "amlcompute",
        **({"size": spec.size} if spec.size else {}),
        "min_instances": spec.min_instances,
        "max_instances": spec.max_instances,
        "idle_time_before_scale_down": spec.idle_time_before_scale_down,
        "tier": spec.tier.value,
    }


def environment_form(spec: EnvConfig) -> str | Form:
    """Return a reference to a curated environment, or the form of an image with a conda file.

    For `env=local` the result is `_THIS_MACHINE`.
    """
    match spec.type:
        case EnvType.curated:
            name = spec.name or ""
            return name if name.startswith("azureml:") else f"azureml:{name}"
        case EnvType.conda:
            conda = {"conda_file": str(spec.conda_file)} if spec.conda_file else {}
            return {"image": spec.image, **conda}
        case EnvType.local:
            return _THIS_MACHINE
        case unknown:
            assert_never(unknown)


def model_form(spec: ModelSpec) -> Form:
    """Return the form of a model that contains files of a job.

    https://learn.microsoft.com/azure/machine-learning/how-to-manage-models
    """
    return {
        "name": spec.name,
        "type": spec.type,
        "path": f"azureml://jobs/{spec.job}/outputs/artifacts/paths/{spec.saved_path.strip('/')}/",
        "description": spec.description,
    }
