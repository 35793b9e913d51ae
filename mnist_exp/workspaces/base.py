"""The `Workspace` interface: the verbs that stages call, wherever the experiment runs."""

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

#: The reason of a job or stage that a signal canceled, such as Ctrl-C.
BY_THE_USER = "canceled by the user"


class JobInterrupted(KeyboardInterrupt):
    """The user canceled a job or a sweep that was being watched.

    Attributes:
        result: The result of the canceled job.
    """

    def __init__(self, result: JobResult) -> None:
        super().__init__()
        self.result = result


class Detached(KeyboardInterrupt):
    """The user stopped watching a job that continues; the argument is its name."""


class Observer(Protocol):
    """Callbacks for a job's progress. A workspace calls them from one thread."""

    def job_changed(self, job: JobResult) -> None:
        """Take a new status or metric of the job or of one of its trials."""

    def message(self, text: str) -> None:
        """Take a line for the user: a decision, a download, a retry."""

    def idle(self) -> None:
        """Expect no progress for a second or more, because the job starts."""


class Workspace(Protocol):
    """A place to run experiments. The only errors of its verbs are `MnistExpError`.

    Attributes:
        outlives_command: Whether jobs continue after the command that submitted them.
    """

    outlives_command: bool

    def get_or_create_compute(self, spec: ComputeConfig) -> Compute:
        """Return the compute target of that name; create it if there is none."""

    def delete_compute(self, name: str) -> bool:
        """Delete a compute target and wait until that is done; return whether there was one."""

    def submit(self, job: CommandJob | SweepJob) -> str:
        """Accept a job and return its name; `watch` runs or follows it."""

    def find_job(self, name: str) -> JobStatus | None:
        """Return a submitted job's status; None if no job of that name outlives its command."""

    def watch(self, name: str, observer: Observer) -> JobResult:
        """Watch a job until it has finished.

        Raises:
            Detached: After Ctrl-C; the job continues, because it outlives the command.
            JobInterrupted: After Ctrl-C; the job is canceled, because it ends with the command.
        """

    def register_model(self, spec: ModelSpec) -> RegisteredModel:
        """Register the files of a completed job as a new version of a model."""

    def create_or_update_endpoint(self, spec: EndpointSpec) -> Endpoint:
        """Create the endpoint, or change the existing one's traffic, keys and description."""

    def create_or_update_deployment(self, spec: DeploymentSpec) -> Deployment:
        """Create or replace a deployment and wait until it answers.

        If the new deployment does not start, the deployment that it should replace stays.
        """

    def get_endpoint(self, name: str) -> Endpoint:
        """Return the endpoint with its deployments."""

    def list_endpoints(self) -> Sequence[Endpoint]:
        """Return all endpoints, sorted by name."""

    def statistics(self, endpoint: str) -> Mapping[str, DeploymentStatistics]:
        """Return each deployment's statistics; nothing if the workspace has none."""

    def invoke(self, endpoint: str, body: bytes, deployment: str | None = None) -> object:
        """Send one scoring request and return the parsed answer.

        Without `deployment` the endpoint's traffic chooses the deployment.
        """

    def logs(self, endpoint: str, deployment: str, lines: int = 50) -> Sequence[str]:
        """Return the last lines of a deployment's log."""

    def delete_endpoint(self, name: str) -> None:
        """Delete the endpoint with all its deployments, and wait until that is done."""

    def costs(self) -> Sequence[str]:
        """Return a line for each thing that costs money while idle."""

    def diagnose(self, compute: ComputeConfig, deployment: DeploymentSpec) -> Iterator[Finding]:
        """Yield findings about the workspace, for `stage=doctor`."""

    def check(
        self, spec: CommandJob | DeploymentSpec | EndpointSpec | ModelSpec, observer: Observer
    ) -> None:
        """Check that the workspace has what the spec needs; fetch data if necessary."""

    def sample_folder(self, data: DataConfig, observer: Observer) -> Path:
        """Return a local folder with the digits; fetch them if necessary."""

    def download(self, job: str, path: str) -> Path | None:
        """Return a local copy of a file that the job kept; None if there is no such file."""
