"""Conversion of specs to entities (objects of the SDK azure-ai-ml).

The conversion has two steps. `mnist_exp.azure_form` converts a spec to a *form*: the content of a
request, as plain mappings. The modules of this package convert a form to an entity. Some fields of
a form must be converted too. A table in the module maps each of these fields to the function that
converts the field. This package sends no requests.
"""

from mnist_exp.workspaces.azure.translation.assets import cluster_entity, model_entity
from mnist_exp.workspaces.azure.translation.endpoints import (
    deployment_entity,
    endpoint_entity,
    traffic_shares,
)
from mnist_exp.workspaces.azure.translation.jobs import job_entity

__all__ = [
    "cluster_entity",
    "deployment_entity",
    "endpoint_entity",
    "job_entity",
    "model_entity",
    "traffic_shares",
]
