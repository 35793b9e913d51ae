"""Conversion of specs to entities of azure-ai-ml.

`mnist_exp.azure_form` builds the form: the content of a request, as plain mappings. The modules of
this package convert a form to the SDK's classes. A table in each module lists the fields of a form
and the class for each field. This package sends no requests.
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
