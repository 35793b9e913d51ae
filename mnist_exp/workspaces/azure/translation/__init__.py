"""Specs as azure-ai-ml's entities: tables from Azure ML's words to the SDK's classes.

`mnist_exp.azure_form` decides what a request says. These tables only say which class takes which
part. Nothing here makes a call.
"""

from mnist_exp.workspaces.azure.translation.assets import compute_entity, model_entity
from mnist_exp.workspaces.azure.translation.endpoints import (
    deployment_entity,
    endpoint_entity,
    traffic_shares,
)
from mnist_exp.workspaces.azure.translation.jobs import job_entity

__all__ = [
    "compute_entity",
    "deployment_entity",
    "endpoint_entity",
    "job_entity",
    "model_entity",
    "traffic_shares",
]
