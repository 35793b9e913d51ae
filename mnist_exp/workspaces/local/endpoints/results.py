"""Build the objects that a workspace returns about endpoints and deployments.

https://learn.microsoft.com/rest/api/azureml/online-deployments/get
"""

from collections.abc import Mapping
from typing import Any

from mnist_exp.results import Deployment, DeploymentStatistics, Endpoint
from mnist_exp.serving.files import EndpointState
from mnist_exp.workspaces.local.endpoints.front_client import LOOPBACK
from mnist_exp.workspaces.local.endpoints.state_files import (
    DeploymentFolder,
    EndpointFolder,
    ProvisioningState,
)

_FRONT_GONE = (
    "the endpoint's front process has ended; restart the process with stage=invoke or stage=deploy"
)
_REMEDY = "fix the deployment and deploy again"


def scoring_uri(saved: EndpointState) -> str:
    """Return the URI of an endpoint that has a port."""
    return f"http://{LOOPBACK}:{saved.port}/score"


def deployment_result(endpoint: EndpointFolder, name: str) -> Deployment:
    """Return the present state of a deployment."""
    folder = endpoint.deployment(name)
    saved, address = folder.load(), endpoint.load()
    state, why = _state(folder, is_up=endpoint.front() is not None)
    log = folder.log(saved.revision) if saved else None
    return Deployment(
        name=name,
        provisioning_state=state.value,
        model=saved.model if saved else "",
        scoring_uri=scoring_uri(address) if address and address.port else None,
        # If the deployment failed before a worker was started, there is no log.
        log=str(log) if log and log.is_file() else None,
        why=why,
    )


def endpoint_result(folder: EndpointFolder, saved: EndpointState) -> Endpoint:
    """Return the present state of an endpoint and of its deployments."""
    is_up = folder.front() is not None
    state = ProvisioningState.SUCCEEDED if is_up else ProvisioningState.FAILED
    return Endpoint(
        name=saved.name,
        provisioning_state=state.value,
        # The port is 0 until the front listens for the first time.
        scoring_uri=scoring_uri(saved) if saved.port else None,
        traffic=dict(saved.traffic),
        deployments=[deployment_result(folder, name) for name in folder.deployments()],
        keys=str(folder.keys_file),
        mirror_traffic=dict(saved.mirror_traffic),
        why="" if is_up else _FRONT_GONE,
        auth_mode=saved.auth_mode,
        expires=saved.expires,
    )


def statistics_result(raw: Mapping[str, Any]) -> DeploymentStatistics:
    """Convert the front's report about a deployment to `DeploymentStatistics`."""
    times = {float(bound): count for bound, count in raw["times_ms"].items()}
    return DeploymentStatistics(
        raw["requests"], raw["failures"], times, raw["instances"], raw["restarts"]
    )


def _state(folder: DeploymentFolder, is_up: bool) -> tuple[ProvisioningState, str]:
    """Return a deployment's provisioning state, and the reason if the deployment failed."""
    saved = folder.load()
    is_deployed = saved is not None and saved.is_deployed
    if folder.is_claimed:
        return ProvisioningState.UPDATING if is_deployed else ProvisioningState.CREATING, ""
    if saved is None:
        why = "the command ended before the deployment was ready; deploy again"
        return ProvisioningState.FAILED, why
    if not is_deployed:
        return ProvisioningState.FAILED, f"{saved.why}; {_REMEDY}"
    if not is_up:
        return ProvisioningState.FAILED, _FRONT_GONE
    if failure := folder.failure(saved.revision):
        return ProvisioningState.FAILED, f"{failure}; {_REMEDY}"
    return ProvisioningState.SUCCEEDED, ""
