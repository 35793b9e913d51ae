"""The `Workspace` interface: what a stage may ask of the place where the experiment runs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from mnist_exp.config import ComputeConfig, DataConfig
from mnist_exp.results import (
    Compute,
    Deployment,
    DeploymentStatistics,
    Endpoint,
    Finding,
    JobResult,
    RegisteredModel,
)
from mnist_exp.specs import CommandJob, DeploymentSpec, EndpointSpec, ModelSpec, SweepJob
from mnist_exp.status import JobStatus

#: Why something is Canceled that a signal, Ctrl-C above all, has ended.
BY_THE_USER = "canceled by the user"


class JobInterrupted(KeyboardInterrupt):
    """The user stopped a job, or a sweep, that was being watched.

    Attributes:
        result: How it ended.
    """

    def __init__(self, result: JobResult) -> None:
        super().__init__()
        self.result = result


class Detached(KeyboardInterrupt):
    """The user stopped watching a job that goes on where it runs; its name is the argument."""


class Observer(Protocol):
    """Hears of progress while a workspace watches a job; all calls come from one thread."""

    def job_changed(self, job: JobResult) -> None:
        """The job, or one of a sweep's trials, has a new status or a new metric."""

    def message(self, text: str) -> None:
        """Something worth a line: a decision, a download, a retry."""

    def idle(self) -> None:
        """The job starts, and there may be nothing to hear of it for a second or more."""


class Workspace(Protocol):
    """Where an experiment runs. Every verb raises `mnist_exp.errors.MnistExpError` alone.

    Attributes:
        outlives_command: Whether jobs go on when the command that submitted them is gone.
    """

    outlives_command: bool

    def get_or_create_compute(self, spec: ComputeConfig) -> Compute:
        """Return the compute target of that name, made first if there is none."""

    def delete_compute(self, name: str) -> bool:
        """Delete a compute target and wait for that; return whether there was one."""

    def submit(self, job: CommandJob | SweepJob) -> str:
        """Accept a job and return its name; `watch` sees it through."""

    def find_job(self, name: str) -> JobStatus | None:
        """Return where a submitted job is; None if there is none that goes on by itself."""

    def watch(self, name: str, observer: Observer) -> JobResult:
        """Follow a job until it ends.

        On KeyboardInterrupt a job that would outlive the command goes on (`Detached`), any other
        is canceled and the interrupt raised again.
        """

    def register_model(self, spec: ModelSpec) -> RegisteredModel:
        """Register a finished job's files as a new version of a model."""

    def create_or_update_endpoint(self, spec: EndpointSpec) -> Endpoint:
        """Make the endpoint, or change traffic, keys and description of the one there is."""

    def create_or_update_deployment(self, spec: DeploymentSpec) -> Deployment:
        """Make or replace a deployment and wait until it answers.

        A deployment that fails to start leaves the one before it untouched.
        """

    def get_endpoint(self, name: str) -> Endpoint:
        """Return the endpoint, with its deployments as they are now."""

    def list_endpoints(self) -> Sequence[Endpoint]:
        """Return all endpoints, by name."""

    def statistics(self, endpoint: str) -> Mapping[str, DeploymentStatistics]:
        """Return how each deployment has done; empty where that is not known."""

    def invoke(self, endpoint: str, body: bytes, deployment: str | None = None) -> object:
        """Send one scoring request and return the parsed answer.

        Without `deployment` the endpoint's traffic decides.
        """

    def logs(self, endpoint: str, deployment: str, lines: int = 50) -> Sequence[str]:
        """Return the last lines that a deployment printed."""

    def delete_endpoint(self, name: str) -> None:
        """Delete the endpoint with all its deployments, and return when that is done."""

    def costs(self) -> Sequence[str]:
        """Return a line for each thing that costs money as it stands."""

    def diagnose(self, compute: ComputeConfig, deployment: DeploymentSpec) -> Iterator[Finding]:
        """Yield what stands between the config and the place where it is to run."""

    def check(
        self, spec: CommandJob | DeploymentSpec | EndpointSpec | ModelSpec, observer: Observer
    ) -> None:
        """Look at what the spec needs, fetching data if need be, before anything is started."""

    def sample_folder(self, data: DataConfig, observer: Observer) -> Path:
        """Return a local folder with the digits, fetched first if need be."""

    def download(self, job: str, path: str) -> Path | None:
        """Return a local copy of one of a job's kept files; None if it has no such file."""
