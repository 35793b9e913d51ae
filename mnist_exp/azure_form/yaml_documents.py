"""Specs as YAML documents: what `az ml job create --file` and its relatives read.

A test loads each document with the SDK and compares the request with the one that the entities of
`mnist_exp.workspaces.azure.translation` make.
"""

from mnist_exp.azure_form.assets import Form, compute_form, model_form
from mnist_exp.azure_form.endpoints import deployment_form, endpoint_form
from mnist_exp.azure_form.jobs import Locate, command_form, sweep_form
from mnist_exp.config import AuthMode, ComputeConfig
from mnist_exp.specs import CommandJob, DeploymentSpec, EndpointSpec, ModelSpec, SweepJob

_SCHEMAS = "https://azuremlschemas.azureedge.net/latest"


def command_yaml(job: CommandJob, locate: Locate) -> Form:
    """Return a command job."""
    return {**_schema("commandJob"), "type": "command", **command_form(job, locate)}


def sweep_yaml(job: SweepJob, locate: Locate) -> Form:
    """Return a sweep."""
    return {**_schema("sweepJob"), "type": "sweep", **sweep_form(job, locate)}


def compute_yaml(spec: ComputeConfig) -> Form:
    """Return a cluster."""
    return {**_schema("amlCompute"), **compute_form(spec)}


def model_yaml(spec: ModelSpec) -> Form:
    """Return a model."""
    return {**_schema("model"), **model_form(spec)}


def endpoint_yaml(spec: EndpointSpec) -> Form:
    """Return an endpoint, as it is created when there is none of that name."""
    new = {"name": spec.name, "auth_mode": AuthMode.key.value, "description": ""}
    return {**_schema("managedOnlineEndpoint"), **new, **endpoint_form(spec)}


def deployment_yaml(spec: DeploymentSpec) -> Form:
    """Return a deployment."""
    return {**_schema("managedOnlineDeployment"), **deployment_form(spec)}


def _schema(kind: str) -> Form:
    return {"$schema": f"{_SCHEMAS}/{kind}.schema.json"}
