"""The azure workspace: Azure Machine Learning through azure-ai-ml."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mnist_exp.config import ComputeConfig, DataConfig, DataType, WorkspaceConfig
from mnist_exp.datasets import materialize
from mnist_exp.results import (
    Compute,
    Deployment,
    DeploymentStatistics,
    Endpoint,
    Finding,
    JobResult,
    RegisteredModel,
)
from mnist_exp.specs import CommandJob, DeploymentSpec, EndpointSpec, ModelSpec, PathInput, SweepJob
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.azure.computes import Computes
from mnist_exp.workspaces.azure.connection import connect
from mnist_exp.workspaces.azure.diagnosis import diagnose
from mnist_exp.workspaces.azure.downloads import Downloads
from mnist_exp.workspaces.azure.endpoints import Endpoints
from mnist_exp.workspaces.azure.invocation import invoke_endpoint
from mnist_exp.workspaces.azure.models import Models
from mnist_exp.workspaces.azure.retrying import Retrying
from mnist_exp.workspaces.azure.submission import Jobs, status_of
from mnist_exp.workspaces.azure.tracking import Tracking
from mnist_exp.workspaces.azure.translation import deployment_entity, job_entity
from mnist_exp.workspaces.azure.watching import watch_job
from mnist_exp.workspaces.base import Observer

#: The SDK's own setting of how often a job is asked, in whole seconds.
_POLL_VARIABLE = "AZUREML_RUN_POLLING_INTERVAL_MIN"


def _poll_s() -> float:
    return float(os.environ.get(_POLL_VARIABLE) or 5)


@dataclass(frozen=True)
class Options:
    """How the workspace talks to Azure.

    Attributes:
        client: Passed on to MLClient.
        retrying: How calls are repeated.
        poll_s: Seconds between two looks at a job.
    """

    client: Mapping[str, Any] = field(default_factory=dict)
    retrying: Retrying = field(default_factory=Retrying)
    poll_s: float = field(default_factory=_poll_s)


class AzureWorkspace:
    """A workspace of Azure ML; jobs and endpoints there outlive the command.

    Args:
        config: Which workspace, as whom.
        outputs: Downloads are kept below this folder.
        options: How to talk to it.
    """

    outlives_command = True

    def __init__(
        self, config: WorkspaceConfig, outputs: Path, options: Options | None = None
    ) -> None:
        options = options or Options()
        self._retrying, self._poll_s = options.retrying, options.poll_s
        connection = self._connection = connect(config, options.client)
        self._computes = Computes(connection, self._retrying)
        self._jobs = Jobs(connection, self._retrying, Tracking(connection, self._retrying))
        self._models = Models(connection, self._retrying)
        self._endpoints = Endpoints(connection, self._retrying)
        self._downloads = Downloads(
            connection.client, self._retrying, outputs.resolve() / "azure" / "jobs"
        )

    def get_or_create_compute(self, spec: ComputeConfig) -> Compute:
        """Return the compute target of that name, made first if there is none."""
        return self._computes.get_or_create(spec)

    def delete_compute(self, name: str) -> bool:
        """Delete a compute target and wait; returns whether there was one."""
        return self._computes.delete(name)

    def submit(self, job: CommandJob | SweepJob) -> str:
        """Send a job, unless one of its name has arrived before, and return its name."""
        return self._jobs.submit(job, _location)

    def find_job(self, name: str) -> JobStatus | None:
        """Return where a job is, None if it never arrived."""
        found = self._jobs.find(name)
        return None if found is None else status_of(found)

    def watch(self, name: str, observer: Observer) -> JobResult:
        """Follow a job until it ends; Ctrl-C leaves it running."""
        return watch_job(name, self._connection.client, self._jobs, observer, self._poll_s)

    def register_model(self, spec: ModelSpec) -> RegisteredModel:
        """Register a finished job's files, unless they are registered already."""
        return self._models.register(spec)

    def create_or_update_endpoint(self, spec: EndpointSpec) -> Endpoint:
        """Make the endpoint, or change traffic, keys and description of the one there is."""
        return self._endpoints.create_or_update(spec)

    def create_or_update_deployment(self, spec: DeploymentSpec) -> Deployment:
        """Make or replace a deployment and wait until it answers."""
        return self._endpoints.deploy(spec)

    def get_endpoint(self, name: str) -> Endpoint:
        """Return the endpoint, with its deployments as they are now."""
        return self._endpoints.get(name)

    def list_endpoints(self) -> Sequence[Endpoint]:
        """Return all endpoints, by name."""
        return self._endpoints.listed()

    def statistics(self, endpoint: str) -> Mapping[str, DeploymentStatistics]:
        """Return nothing: requests are counted in Azure Monitor, which the SDK does not ask."""
        return {}

    def invoke(self, endpoint: str, body: bytes, deployment: str | None = None) -> object:
        """Send one scoring request and return the parsed answer."""
        return invoke_endpoint(self._connection, self._retrying, endpoint, body, deployment)

    def logs(self, endpoint: str, deployment: str, lines: int = 50) -> Sequence[str]:
        """Return the last lines that a deployment printed."""
        return self._endpoints.logs(endpoint, deployment, lines)

    def delete_endpoint(self, name: str) -> None:
        """Delete the endpoint with all its deployments, and see that it is gone."""
        self._endpoints.delete(name)

    def costs(self) -> Sequence[str]:
        """Return a line for each thing in the workspace that costs money as it stands."""
        return [*self._endpoints.costly(), *self._computes.costly()]

    def check(
        self, spec: CommandJob | DeploymentSpec | EndpointSpec | ModelSpec, observer: Observer
    ) -> None:
        """See that Azure has what the spec names; fetch data that has to be sent there."""
        if isinstance(spec, DeploymentSpec):
            deployment_entity(spec)
        if not isinstance(spec, CommandJob):
            return
        job_entity(spec, lambda _: "")
        sources = [value.path for value in spec.inputs.values() if isinstance(value, PathInput)]
        for source in sources:
            if isinstance(source, DataConfig) and source.azure_path is None:
                materialize(source, observer.message)

    def sample_folder(self, data: DataConfig, observer: Observer) -> Path:
        """Return a local folder with digits for a request.

        MNIST itself lies beside the jobs, on Azure; for some digits the package's sample of it
        will do, and nothing is downloaded.
        """
        if data.type is DataType.mnist:
            data = replace(data, type=DataType.sample)
        return materialize(data, observer.message)

    def download(self, job: str, path: str) -> Path | None:
        """Return a local copy of one of a job's kept files; None if it has no such file."""
        return self._downloads.path(job, path)

    def diagnose(self, compute: ComputeConfig, deployment: DeploymentSpec) -> Iterator[Finding]:
        """Yield what stands between the config and Azure."""
        return diagnose(self._connection, self._retrying, self._computes, compute, deployment)


def _location(source: Path | str | DataConfig) -> str:
    """Return where a job finds an input: an address, or a folder that the SDK uploads."""
    if isinstance(source, DataConfig):
        return source.azure_path or str(materialize(source, lambda _: None))
    return str(source)
