"""Endpoints and deployments as they are now, in Azure ML's words.

https://learn.microsoft.com/rest/api/azureml/online-deployments/get
"""

from enum import StrEnum

from mnist_exp.workspaces.base import Deployment, Endpoint
from mnist_exp.workspaces.local.endpoints.sockets import LOOPBACK
from mnist_exp.workspaces.local.endpoints.store import (
    DeploymentFolder,
    DeploymentRecord,
    EndpointFolder,
    EndpointRecord,
)
from mnist_exp.workspaces.local.endpoints.traffic import busiest

__all__ = ["ProvisioningState", "current_state", "deployment_now", "endpoint_now", "scoring_uri"]


class ProvisioningState(StrEnum):
    """Azure ML's words for where a deployment is."""

    CREATING = "Creating"
    UPDATING = "Updating"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


def scoring_uri(record: DeploymentRecord) -> str | None:
    """Return where a deployment answers, or would answer; None if it never did."""
    return f"http://{LOOPBACK}:{record.port}/score" if record.port else None


def current_state(folder: DeploymentFolder) -> tuple[ProvisioningState, str]:
    """Return a deployment's state and, if it has Failed, why.

    Nothing claims to run that does not: the process is looked for.
    """
    record = folder.load()
    alive = record is not None and record.is_alive
    if folder.is_claimed:
        return ProvisioningState.UPDATING if alive else ProvisioningState.CREATING, ""
    if alive:
        return ProvisioningState.SUCCEEDED, ""
    if record is None:
        why = "the command that deployed it was ended before it was through"
    elif record.process is None:
        why = record.why
    else:
        why = f"its process {record.process.pid} is gone: it crashed, or this machine was restarted"
    return ProvisioningState.FAILED, f"{why}; deploy it again"


def deployment_now(name: str, folder: DeploymentFolder) -> Deployment:
    """Return a deployment as it is now."""
    record = folder.load()
    log = folder.log(record.revision) if record else None
    return Deployment(
        name=name,
        provisioning_state=current_state(folder)[0].value,
        model=record.model if record else "",
        scoring_uri=scoring_uri(record) if record else None,
        # One that failed before there was a process has printed nothing.
        log=str(log) if log and log.is_file() else None,
    )


def endpoint_now(folder: EndpointFolder, record: EndpointRecord) -> Endpoint:
    """Return an endpoint as it is now; its address is that of the busiest deployment."""
    deployments = [deployment_now(name, folder.deployment(name)) for name in folder.deployments()]
    addresses = {deployment.name: deployment.scoring_uri for deployment in deployments}
    return Endpoint(
        name=record.name,
        # An endpoint is files: it is there or it is not.
        provisioning_state=ProvisioningState.SUCCEEDED.value,
        scoring_uri=addresses.get(busiest(record.traffic) or ""),
        traffic=dict(record.traffic),
        deployments=deployments,
        keys=str(folder.keys_file),
    )
