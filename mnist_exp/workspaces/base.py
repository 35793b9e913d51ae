"""The `Workspace` interface: everything that a stage asks of a workspace."""

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

#: Why a job is Canceled after Ctrl-C or another signal.
BY_THE_USER = "canceled by the user"


class JobInterrupted(KeyboardInterrupt):
    """The user interrupted a job or a sweep while it was watched.

    Attributes:
        result: The result of the canceled job.
    """

    def __init__(self, result: JobResult) -> None:
        super().__init__()
        self.result = result


class Detached(KeyboardInterrupt):
    """The user stopped watching a job that continues to run; its name is the argument."""


class Observer(Protocol):
    """Callbacks for the progress of a watched job; all calls come from one thread."""

    def job_changed(self, job: JobResult) -> None:
        """Show that the job, or a trial of a sweep, has a new status or a new metric."""

    def message(self, text: str) -> None:
        """Print a line: a decision, a download, a retry."""

    def idle(self) -> None:
        """Do slow work now: the job starts, and may report nothing for a second or more."""


class Workspace(Protocol):
    """The place where an experiment runs. Its methods raise only `MnistExpError`.

    Attributes:
        outlives_command: Whether jobs continue when the command that submitted them has ended.
    """

    outlives_command: bool

    def get_or_create_compute(self, spec: ComputeConfig) -> Compute:
        """Return the compute target of that name; create it if there is none."""

    def delete_compute(self, name: str) -> bool:
        """Delete a compute target, and return whether it existed once it is deleted."""

    def submit(self, job: CommandJob | SweepJob) -> str:
        """Accept a job and return its name; `watch` then follows the job."""

    def find_job(self, name: str) -> JobStatus | None:
        """Return the status of a submitted job; None if it does not exist without its command."""

    def watch(self, name: str, observer: Observer) -> JobResult:
        """Follow a job until it ends.

        Raises:
            Detached: The user interrupted, and the job outlives the command.
            KeyboardInterrupt: The user interrupted, and the job was canceled.
        """

    def register_model(self, spec: ModelSpec) -> RegisteredModel:
        """Register the files of a completed job as a new version of a model."""

    def create_or_update_endpoint(self, spec: EndpointSpec) -> Endpoint:
        """Create the endpoint, or change traffic, keys and description of an existing one."""

    def create_or_update_deployment(self, spec: DeploymentSpec) -> Deployment:
        """Create or replace a deployment, and return when it answers.

        If the new deployment fails to start, the deployment that it replaces stays as it was.
        """

    def get_endpoint(self, name: str) -> Endpoint:
        """Return the endpoint with its deployments, as they are now."""

    def list_endpoints(self) -> Sequence[Endpoint]:
        """Return all endpoints, sorted by name."""

    def statistics(self, endpoint: str) -> Mapping[str, DeploymentStatistics]:
        """Return the statistics of each deployment; empty if they are not known."""

    def invoke(self, endpoint: str, body: bytes, deployment: str | None = None) -> object:
        """Send one scoring request and return the parsed answer.

        Without `deployment`, the endpoint's traffic decides which deployment answers.
        """

    def logs(self, endpoint: str, deployment: str, lines: int = 50) -> Sequence[str]:
        """Return the last lines of a deployment's log."""

    def delete_endpoint(self, name: str) -> None:
        """Delete the endpoint with all its deployments, and return when they are deleted."""

    def costs(self) -> Sequence[str]:
        """Return a line for each thing that costs money now."""

    def diagnose(self, compute: ComputeConfig, deployment: DeploymentSpec) -> Iterator[Finding]:
        """Yield what the workspace finds out about itself and about these specs."""

    def check(
        self, spec: CommandJob | DeploymentSpec | EndpointSpec | ModelSpec, observer: Observer
    ) -> None:
        """Check what the spec needs before anything is started, and fetch its data if needed."""

    def sample_folder(self, data: DataConfig, observer: Observer) -> Path:
        """Return a local folder with the digits, fetched first if needed."""

    def download(self, job: str, path: str) -> Path | None:
        """Return a local copy of a file that the job kept; None if there is no such file."""
