"""Functions that convert specs to YAML documents.

The documents are for `az ml job create --file` and similar commands of Azure's command line.
A test loads each document with the SDK, and compares two requests: the SDK's request for the
document, and the SDK's request for the entity that `mnist_exp.workspaces.azure.translation` builds.
The two requests must be equal.
"""

from mnist_exp.azure_form.assets import Form, cluster_form, model_form
from mnist_exp.azure_form.endpoints import deployment_form, endpoint_form
from mnist_exp.azure_form.jobs import Locate, command_form, sweep_form
from mnist_exp.config import AuthMode, ComputeConfig
from mnist_exp.specs import CommandJob, DeploymentSpec, EndpointSpec, ModelSpec, SweepJob

_SCHEMAS = "https://azuremlschemas.azureedge.net/latest"


def command_yaml(job: CommandJob, locate: Locate) -> Form:
    """Return the YAML document of a command job."""
    return {**_schema("commandJob"), "type": "command", **command_form(job, locate)}


def sweep_yaml(job: SweepJob, locate: Locate) -> Form:
    """Return the YAML document of a sweep."""
    return {**_schema("sweepJob"), "type": "sweep", **sweep_form(job, locate)}


def cluster_yaml(spec: ComputeConfig) -> Form:
    """Return the YAML document of a cluster."""
    return {**_schema("amlCompute"), **cluster_form(spec)}


def model_yaml(spec: ModelSpec) -> Form:
    """Return the YAML document of a model."""
    return {**_schema("model"), **model_form(spec)}


def endpoint_yaml(spec: EndpointSpec) -> Form:
    """Return the YAML document that creates a new endpoint."""
    new = {"name": spec.name, "auth_mode": AuthMode.key.value, "description": ""}
    return {**_schema("managedOnlineEndpoint"), **new, **endpoint_form(spec)}


def deployment_yaml(spec: DeploymentSpec) -> Form:
    """Return the YAML document of a deployment."""
    return {**_schema("managedOnlineDeployment"), **deployment_form(spec)}


def _schema(kind: str) -> Form:
    return {"$schema": f"{_SCHEMAS}/{kind}.schema.json"}
