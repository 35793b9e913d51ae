"""Compute targets, environments and models as azure-ai-ml's entities."""

from collections.abc import Callable, Mapping
from typing import Any

from azure.ai.ml.entities import AmlCompute, Environment, Model

from mnist_exp.azure_form.assets import Form, compute_form, model_form
from mnist_exp.config import ComputeConfig, ComputeType, EnvConfig, EnvType
from mnist_exp.errors import RefusedError
from mnist_exp.specs import ModelSpec

#: Tags of a model version. They name the job and the path that the version was made of.
JOB_TAG = "mnist_exp.job"
PATH_TAG = "mnist_exp.path"


def entities(form: Form, table: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Return a form's fields, with the SDK's entity for each field that the table lists."""
    return {name: table[name](value) if name in table else value for name, value in form.items()}


def compute_entity(spec: ComputeConfig) -> AmlCompute:
    """Return a cluster.

    https://learn.microsoft.com/python/api/azure-ai-ml/azure.ai.ml.entities.amlcompute
    """
    return AmlCompute(**compute_form(spec))


def environment_entity(form: str | Form) -> str | Environment:
    """Return the reference of a curated environment, or an image with its conda file."""
    return form if isinstance(form, str) else Environment(**form)


def model_entity(spec: ModelSpec, version: str) -> Model:
    """Return a model version. We number versions ourselves, so a repeated call adds none."""
    tags = {JOB_TAG: spec.job, PATH_TAG: spec.path}
    return Model(**model_form(spec), version=version, tags=tags)


def refuse_local_compute(spec: ComputeConfig) -> None:
    """Refuse a compute target that Azure does not have.

    Raises:
        RefusedError: The target is this machine.
    """
    if spec.type is ComputeType.local:
        raise RefusedError(
            "compute.type: local is this machine, which Azure cannot use; "
            "use compute=gpu_cluster, cpu_cluster, low_priority or serverless"
        )


def refuse_local_environment(spec: EnvConfig, key: str) -> None:
    """Refuse an environment that Azure does not have.

    Raises:
        RefusedError: The environment is this machine's Python.
    """
    if spec.type is EnvType.local:
        raise RefusedError(
            f"{key}.type: local is this machine's Python, which Azure does not have; "
            f"use {key}=curated or {key}=conda"
        )
