"""Conversion of compute targets, environments and models to entities of azure-ai-ml.

A form is the content of a request, as plain mappings (see `mnist_exp.azure_form`).
"""

from collections.abc import Callable, Mapping
from typing import Any

from azure.ai.ml.entities import AmlCompute, Environment, Model

from mnist_exp.azure_form.assets import Form, cluster_form, model_form
from mnist_exp.config import ComputeConfig, EnvConfig, EnvType
from mnist_exp.errors import RefusedError
from mnist_exp.specs import ModelSpec

#: Tags of a model version: the job and the path of the files that were registered.
JOB_TAG = "mnist_exp.job"
PATH_TAG = "mnist_exp.path"


def entities(form: Form, table: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Return the fields of a form, with entities instead of plain mappings.

    Args:
        form: The form.
        table: Name of a field -> function that converts the field to an entity. Fields that the
            table does not list are not converted.
    """
    return {name: table[name](value) if name in table else value for name, value in form.items()}


def cluster_entity(spec: ComputeConfig) -> AmlCompute:
    """Return the entity of a cluster.

    https://learn.microsoft.com/python/api/azure-ai-ml/azure.ai.ml.entities.amlcompute
    """
    return AmlCompute(**cluster_form(spec))


def environment_entity(form: str | Form) -> str | Environment:
    """Return the reference of a curated environment, or the entity of any other environment."""
    return form if isinstance(form, str) else Environment(**form)


def model_entity(spec: ModelSpec, version: str) -> Model:
    """Return the entity of a model version.

    The caller chooses the version number. A repeated request then does not create a second version.
    """
    tags = {JOB_TAG: spec.job, PATH_TAG: spec.saved_path}
    return Model(**model_form(spec), version=version, tags=tags)


def local_compute_error() -> RefusedError:
    """Return the error for a compute target that is this machine."""
    return RefusedError(
        "compute.type: local means this machine, which Azure cannot use; set "
        "compute=gpu_cluster, compute=cpu_cluster, compute=low_priority or compute=serverless"
    )


def refuse_local_environment(spec: EnvConfig, key: str) -> None:
    """Raise an error if Azure cannot use the environment.

    Raises:
        RefusedError: The environment is this machine's Python.
    """
    if spec.type is EnvType.local:
        raise RefusedError(
            f"{key}.type: local means the Python of this machine, which Azure cannot use; "
            f"set {key}=curated or {key}=conda"
        )
