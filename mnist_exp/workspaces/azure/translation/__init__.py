"""From specs to azure-ai-ml's entities: pure, without a call to anything."""

from mnist_exp.workspaces.azure.translation.assets import model_entity
from mnist_exp.workspaces.azure.translation.compute import compute_entity
from mnist_exp.workspaces.azure.translation.endpoints import (
    deployment_entity,
    endpoint_entity,
    shares,
)
from mnist_exp.workspaces.azure.translation.jobs import command_entity, job_entity
from mnist_exp.workspaces.azure.translation.sweeps import sweep_entity

__all__ = [
    "command_entity",
    "compute_entity",
    "deployment_entity",
    "endpoint_entity",
    "job_entity",
    "model_entity",
    "shares",
    "sweep_entity",
]
