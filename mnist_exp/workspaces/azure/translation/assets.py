"""Environments and models as azure-ai-ml's entities."""

from azure.ai.ml.entities import Environment, Model

from mnist_exp.config import EnvConfig, EnvType
from mnist_exp.errors import RefusedError
from mnist_exp.specs import ModelSpec

#: By these a version is found again that an earlier command has registered.
JOB_TAG = "mnist_exp.job"
PATH_TAG = "mnist_exp.path"


def environment_of(spec: EnvConfig, where: str = "env") -> str | Environment:
    """Return a curated environment's name, or an image with its conda file.

    Raises:
        RefusedError: It is this machine's own environment.
    """
    if spec.type is EnvType.curated:
        return spec.name or ""
    if spec.type is EnvType.conda:
        return Environment(image=spec.image, conda_file=spec.conda_file)
    raise RefusedError(
        f"{where}.type: local is this machine's Python, which Azure does not have; "
        f"use {where}=curated or {where}=conda"
    )


def job_path(spec: ModelSpec) -> str:
    """Return the address of a job's kept files.

    https://learn.microsoft.com/azure/machine-learning/how-to-manage-models
    """
    return f"azureml://jobs/{spec.job}/outputs/artifacts/paths/{spec.path.strip('/')}/"


def model_entity(spec: ModelSpec, version: str) -> Model:
    """Return a version of a model; its number is ours, so that a repeated call makes no second."""
    return Model(
        name=spec.name,
        version=version,
        path=job_path(spec),
        type=spec.type,
        description=spec.description,
        tags={JOB_TAG: spec.job, PATH_TAG: spec.path},
    )
