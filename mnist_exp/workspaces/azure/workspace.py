"""The azure workspace, which implements the `Workspace` interface with azure-ai-ml."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mnist_exp.config import ComputeConfig, DataConfig, DataType, WorkspaceConfig
from mnist_exp.datasets import materialize
from mnist_exp.errors import RefusedError
from mnist_exp.results import (
    Compute,
    Deployment,
    DeploymentStatistics,
    Endpoint,
    Finding,
    JobResult,
    RegisteredModel,
    StoredJob,
)
from mnist_exp.specs import (
    CommandJob,
    DeploymentSpec,
    EndpointSpec,
    ModelSpec,
    PathInput,
    Spec,
    SweepJob,
)
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.azure.code_assets import CodeAssets
from mnist_exp.workspaces.azure.computes import Computes
from mnist_exp.workspaces.azure.endpoints import Endpoints
from mnist_exp.workspaces.azure.job_files import JobFiles
from mnist_exp.workspaces.azure.job_watch import follow_log, watch_job
from mnist_exp.workspaces.azure.prerequisites import check_prerequisites
from mnist_exp.workspaces.azure.retries import RetryPolicy
from mnist_exp.workspaces.azure.scoring import invoke_endpoint
from mnist_exp.workspaces.azure.submitted_jobs import SubmittedJobs, status_of
from mnist_exp.workspaces.azure.translation import deployment_entity, job_entity
from mnist_exp.workspaces.azure.workspace_client import create_client
from mnist_exp.workspaces.base import JobsListener, Observer, Outcome

#: Environment variable of the SDK: number of whole seconds between two polls.
_POLL_VARIABLE = "AZUREML_RUN_POLLING_INTERVAL_MIN"
#: Folder with the console logs among the saved files of a job.
_LOGS = "user_logs"


def _poll_s() -> float:
    return float(os.environ.get(_POLL_VARIABLE) or 5)


@dataclass(frozen=True)
class AzureOptions:
    """Options for calling Azure.

    Attributes:
        client: Further arguments of MLClient.
        retries: Rules for repeating failed calls.
        poll_s: Seconds between two requests for a job's status.
    """

    client: Mapping[str, Any] = field(default_factory=dict)
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    poll_s: float = field(default_factory=_poll_s)


class AzureWorkspace:
    """A workspace of Azure ML. Its jobs and endpoints continue when the command ends.

    Args:
        config: The names that identify the workspace, and the kind of credential.
        outputs: The outputs folder, which also holds the downloads.
        options: Options for calling Azure.
    """

    outlives_command = True

    def __init__(
        self, config: WorkspaceConfig, outputs: Path, options: AzureOptions | None = None
    ) -> None:
        options = options or AzureOptions()
        self._poll_s = options.poll_s
        self._retries = options.retries
        client = self._client = create_client(config, options.client, self._retries)
        self._computes = Computes(client, self._retries)
        code = CodeAssets(client.sdk)
        self._jobs = SubmittedJobs(client, self._retries, code)
        self._endpoints = Endpoints(client, self._retries, code)
        self._files = JobFiles(client, self._retries, outputs.resolve() / "azure")

    def close(self) -> None:
        """Close the connections to Azure. A closed workspace cannot be used."""
        self._client.close()

    def get_or_create_compute(self, spec: ComputeConfig) -> Compute:
        """Return the compute target with the spec's name; create the target if there is none."""
        return self._computes.get_or_create(spec)

    def delete_compute(self, name: str) -> bool:
        """Delete a target, and wait until the target is deleted; return whether it existed."""
        return self._computes.delete(name)

    def submit(self, job: CommandJob | SweepJob) -> str:
        """Submit a job, unless a job of that name exists. Return the name."""
        return self._jobs.submit(job, _locate)

    def find_job(self, name: str) -> JobStatus | None:
        """Return the status of a job, or None if Azure has no job of that name."""
        found = self._jobs.find(name)
        return None if found is None else status_of(found)

    def job_result(self, name: str) -> JobResult | None:
        """Return the present result of a job, a sweep or a trial; None if the job is unknown."""
        found = self._jobs.find(name)
        return None if found is None else self._jobs.result(found)

    def job_log(self, name: str) -> Iterator[str]:
        """Yield the lines of a job's log. Wait for further lines until the job has ended."""
        job = self._jobs.get(name)
        if not status_of(job).is_finished:
            yield from follow_log(name, self._client.sdk, self._jobs, self._poll_s)
            return
        # The SDK streams only the logs of unfinished jobs.
        folder = self.download(name, _LOGS)
        # Each process of a distributed job has a log of its own.
        found = folder.glob("std_log*.txt") if folder else ()
        logs = sorted(found, key=lambda path: (len(path.name), path.name))
        for log in logs:
            if len(logs) > 1:
                yield f"{log.name}:"
            yield from log.read_text(encoding="utf-8", errors="replace").splitlines()
        if not logs:
            yield f"the job saved no log; see the job in Azure ML studio: {job.studio_url}"

    def cancel_job(self, name: str) -> None:
        """Cancel a job, and wait until the job has ended."""
        self._jobs.cancel(name, self._poll_s)

    def stored_jobs(self, name: str) -> Sequence[StoredJob]:
        """Return no jobs, because Azure stores the files of its jobs."""
        return ()

    def delete_job(self, name: str) -> None:
        """Refuse the deletion, because the SDK cannot delete a job."""
        raise RefusedError(f"run: Azure ML cannot delete the job {name}; archive the job instead")

    def watch(self, name: str, observer: Observer) -> JobResult:
        """Watch a job until the job has finished. The job continues after Ctrl-C."""
        return watch_job(name, self._client.sdk, self._jobs, observer, self._poll_s)

    def prefetch(
        self, job: CommandJob | SweepJob, max_concurrent: int | None, observer: Observer
    ) -> None:
        """Do nothing, because jobs on Azure start when they are submitted."""

    def watch_jobs(
        self, jobs: Mapping[str, Observer], max_concurrent: int | None, listener: JobsListener
    ) -> None:
        """Watch submitted jobs, one after the other. Azure decides which jobs run together."""
        for name, observer in jobs.items():
            listener.job_starts(name)
            try:
                outcome: Outcome = self.watch(name, observer)
            except Exception as error:
                outcome = error
            listener.job_ended(name, outcome)

    def add_artifacts(self, sweep: str, files: Mapping[str, Path]) -> None:
        """Add nothing, because Azure ML draws its own figures of a sweep."""

    def register_model(self, spec: ModelSpec) -> RegisteredModel:
        """Register a finished job's files, unless these files are already registered."""
        return self._files.register(spec)

    def find_model(self, name: str, version: str | None = None) -> RegisteredModel | None:
        """Return a version of a model; None if there is no such version.

        If `version` is None, return the newest version.
        """
        return self._files.find_model(name, version)

    def model_file(self, model: str, path: str) -> Path | None:
        """Return a local copy of a model's file, or None if the model has no such file."""
        return self._files.model_file(model, path)

    def create_or_update_endpoint(self, spec: EndpointSpec) -> Endpoint:
        """Create an endpoint, or change an existing endpoint's traffic, keys and description."""
        return self._endpoints.create_or_update(spec)

    def create_or_update_deployment(self, spec: DeploymentSpec) -> Deployment:
        """Create or replace a deployment, and wait until the deployment can answer requests."""
        return self._endpoints.deploy(spec)

    def get_endpoint(self, name: str) -> Endpoint:
        """Return the endpoint with its deployments."""
        return self._endpoints.get(name)

    def list_endpoints(self) -> Sequence[Endpoint]:
        """Return all endpoints, sorted by name."""
        return self._endpoints.list_all()

    def statistics(self, endpoint: str) -> Mapping[str, DeploymentStatistics]:
        """Return an empty mapping: the SDK cannot read the statistics of Azure Monitor."""
        return {}

    def invoke(self, endpoint: str, body: bytes, deployment: str | None = None) -> object:
        """Send one scoring request and return the parsed answer."""
        return invoke_endpoint(self._client, self._retries, endpoint, body, deployment)

    def logs(self, endpoint: str, deployment: str, lines: int = 50) -> Sequence[str]:
        """Return the last lines that a deployment printed."""
        return self._endpoints.logs(endpoint, deployment, lines)

    def delete_endpoint(self, name: str) -> None:
        """Delete the endpoint with all its deployments, and check that Azure has deleted it."""
        self._endpoints.delete(name)

    def delete_deployment(self, endpoint: str, name: str) -> None:
        """Delete a deployment without traffic, and wait for the deletion."""
        self._endpoints.delete_deployment(endpoint, name)

    def delete_environments(self) -> Iterator[str]:
        """Yield no lines and delete nothing, because Azure ML's environments cost nothing."""
        return iter(())

    def costs(self) -> Sequence[str]:
        """Return a line for each endpoint and cluster that costs money while it is idle."""
        return [*self._endpoints.costs(), *self._computes.costs()]

    def check(self, spec: Spec, observer: Observer) -> None:
        """Check that Azure can use the spec, and create the local data that will be uploaded."""
        if isinstance(spec, DeploymentSpec):
            deployment_entity(spec)
        if not isinstance(spec, CommandJob | SweepJob):
            return
        job_entity(spec, lambda _: "")
        trial = spec.trial if isinstance(spec, SweepJob) else spec
        sources = [value.path for value in trial.inputs.values() if isinstance(value, PathInput)]
        for source in sources:
            if isinstance(source, DataConfig) and source.azure_path is None:
                materialize(source, observer.message)

    def sample_folder(self, data: DataConfig, observer: Observer) -> Path:
        """Return a local folder with digits for a request.

        With `data=mnist` the digits are on Azure. To avoid a download, this method then returns the
        sample of MNIST that is part of this package.
        """
        if data.type is DataType.mnist:
            data = replace(data, type=DataType.sample)
        return materialize(data, observer.message)

    def download(self, job: str, path: str) -> Path | None:
        """Return a local copy of a job's saved file, or None if the job has no such file."""
        return self._files.path(job, path)

    def diagnose(self, compute: ComputeConfig, deployment: DeploymentSpec) -> Iterator[Finding]:
        """Yield findings about the sign-in, the workspace, the compute target and the quota."""
        return check_prerequisites(self._client, self._retries, self._computes, compute, deployment)


def _locate(source: Path | str | DataConfig) -> str:
    """Return the address of an input, or a local folder that the SDK uploads."""
    if isinstance(source, DataConfig):
        return source.azure_path or str(materialize(source, lambda _: None))
    return str(source)
