"""Endpoints and deployments as they are now, in Azure ML's words.

https://learn.microsoft.com/rest/api/azureml/online-deployments/get
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from mnist_exp.results import Deployment, DeploymentStatistics, Endpoint
from mnist_exp.serving.files import EndpointRecord
from mnist_exp.workspaces.local.endpoints.sockets import LOOPBACK
from mnist_exp.workspaces.local.endpoints.state_files import DeploymentFolder, EndpointFolder


class ProvisioningState(StrEnum):
    """Azure ML's words for where an endpoint or a deployment is."""

    CREATING = "Creating"
    UPDATING = "Updating"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


_FRONT_GONE = "the endpoint's front process is gone; stage=invoke or stage=deploy brings it back"
AGAIN = "deploy it again"


def scoring_uri(record: EndpointRecord) -> str:
    """Return where an endpoint answers."""
    return f"http://{LOOPBACK}:{record.port}/score"


def deployment_now(endpoint: EndpointFolder, name: str) -> Deployment:
    """Return a deployment as it is now."""
    folder = endpoint.deployment(name)
    record, address = folder.load(), endpoint.load()
    state, why = _state(folder, is_up=endpoint.front() is not None)
    log = folder.log(record.revision) if record else None
    return Deployment(
        name=name,
        provisioning_state=state.value,
        model=record.model if record else "",
        scoring_uri=scoring_uri(address) if address and address.port else None,
        # One that failed before there was a process has printed nothing.
        log=str(log) if log and log.is_file() else None,
        why=why,
    )


def endpoint_now(folder: EndpointFolder, record: EndpointRecord) -> Endpoint:
    """Return an endpoint as it is now: nothing claims to run that does not."""
    is_up = folder.front() is not None
    state = ProvisioningState.SUCCEEDED if is_up else ProvisioningState.FAILED
    return Endpoint(
        name=record.name,
        provisioning_state=state.value,
        # As long as it has listened nowhere there is none.
        scoring_uri=scoring_uri(record) if record.port else None,
        traffic=dict(record.traffic),
        deployments=[deployment_now(folder, name) for name in folder.deployments()],
        keys=str(folder.keys_file),
        mirror_traffic=dict(record.mirror_traffic),
        why="" if is_up else _FRONT_GONE,
        auth_mode=record.auth_mode,
        expires=record.expires,
    )


def statistics_of(raw: Mapping[str, Any]) -> DeploymentStatistics:
    """Return how a deployment has done, from what the front reports of it."""
    times = {float(bound): count for bound, count in raw["times_ms"].items()}
    return DeploymentStatistics(
        raw["requests"], raw["failures"], times, raw["instances"], raw["restarts"]
    )


def _state(folder: DeploymentFolder, is_up: bool) -> tuple[ProvisioningState, str]:
    record = folder.load()
    serves = record is not None and record.provisioning_state == ProvisioningState.SUCCEEDED
    if folder.is_claimed:
        return ProvisioningState.UPDATING if serves else ProvisioningState.CREATING, ""
    if record is None:
        why = "the command that deployed it was ended before it was through"
        return ProvisioningState.FAILED, f"{why}; {AGAIN}"
    if not serves:
        return ProvisioningState.FAILED, f"{record.why}; mend it and {AGAIN}"
    if not is_up:
        return ProvisioningState.FAILED, _FRONT_GONE
    if failure := folder.failure(record.revision):
        return ProvisioningState.FAILED, f"{failure}; mend it and {AGAIN}"
    return ProvisioningState.SUCCEEDED, ""
