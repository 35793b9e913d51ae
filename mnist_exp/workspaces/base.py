"""The `Workspace` interface: the methods that stages call, on this machine and on Azure ML."""

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
    StoredJob,
)
from mnist_exp.specs import CommandJob, DeploymentSpec, EndpointSpec, ModelSpec, Spec, SweepJob
from mnist_exp.status import JobStatus

#: The reason in the record of a job or stage that was canceled by a signal, e.g. by Ctrl-C.
BY_THE_USER = "canceled by the user"


class JobInterrupted(KeyboardInterrupt):
    """The user canceled a job or a sweep while the command watched it.

    Attributes:
        result: The result of the canceled job.
    """

    def __init__(self, result: JobResult) -> None:
        super().__init__()
        self.result = result


class Detached(KeyboardInterrupt):
    """The user stopped watching a job, and the job continues. The message is the job's name."""


#: The result of a job; or the error or the interrupt that ended the job without a result.
Outcome = JobResult | Exception | KeyboardInterrupt


class Observer(Protocol):
    """Callbacks for a job's progress. A workspace calls all callbacks from one thread."""

    def job_changed(self, job: JobResult) -> None:
        """Handle a new status or metric of the job or of a trial."""

    def message(self, text: str) -> None:
        """Handle a message to the user, for example about a download or a retry."""

    def idle(self) -> None:
        """Use the time while the job starts, for example to import libraries.

        A workspace calls this method at most once per job.
        """


class JobsListener(Protocol):
    """Callbacks for the starts and the ends of several jobs, in addition to their observers.

    A workspace calls `job_ended` from one thread, which may differ from the thread of all other
    callbacks.
    """

    def job_starts(self, name: str) -> None:
        """Handle the start of a job, immediately before the job starts."""

    def job_ended(self, name: str, outcome: Outcome) -> None:
        """Handle the end of a job. The other jobs continue to run meanwhile."""


class Workspace(Protocol):
    """A place to run experiments. If a method fails, it raises an `MnistExpError`.

    Attributes:
        outlives_command: Whether a job continues after the end of the command that submitted it.
    """

    outlives_command: bool

    def close(self) -> None:
        """Close the connections of the workspace. A closed workspace cannot be used."""

    def get_or_create_compute(self, spec: ComputeConfig) -> Compute:
        """Return the compute target that `spec` names; create the target if it does not exist."""

    def delete_compute(self, name: str) -> bool:
        """Delete a compute target, wait for the deletion, and return whether the target existed."""

    def submit(self, job: CommandJob | SweepJob) -> str:
        """Submit a job and return the job's name.

        On Azure ML the job starts immediately. On this machine the job starts when `watch` is
        called.
        """

    def find_job(self, name: str) -> JobStatus | None:
        """Return the status of a job that another command submitted.

        The result is None if the job is unknown. The result is also None if the job's command was
        killed before the job ended, so that no process runs the job.
        """

    def job_result(self, name: str) -> JobResult | None:
        """Return the present result of a job, a sweep or a trial; None if the job is unknown."""

    def job_log(self, name: str) -> Iterator[str]:
        """Yield the lines of a job's log. Wait for further lines until the job has ended."""

    def cancel_job(self, name: str) -> None:
        """Cancel a job that any command submitted, and wait until the job has ended.

        Raises:
            RefusedError: The job does not run, or cannot be canceled by itself.
        """

    def stored_jobs(self, name: str) -> Sequence[StoredJob]:
        """Return the files of a job, and the files of each trial of a sweep.

        The result is empty if this machine has no files of the job.
        """

    def delete_job(self, name: str) -> None:
        """Delete the files and the MLflow run of a job on this machine.

        Raises:
            RefusedError: A command runs the job.
        """

    def watch(self, name: str, observer: Observer) -> JobResult:
        """Watch a job until it has finished.

        Raises:
            Detached: The user pressed Ctrl-C, and `outlives_command` is True. The job continues.
            JobInterrupted: The user pressed Ctrl-C, and `outlives_command` is False. The job is
                canceled.
        """

    def prefetch(
        self, job: CommandJob | SweepJob, max_concurrent: int | None, observer: Observer
    ) -> None:
        """Begin to load what a sweep or several jobs like this job need, before they are watched.

        The job itself is not submitted. `max_concurrent` is the same as for `watch_jobs`; a sweep
        has its own limit.
        """

    def watch_jobs(
        self, jobs: Mapping[str, Observer], max_concurrent: int | None, listener: JobsListener
    ) -> None:
        """Watch several submitted jobs until all of them have ended.

        Args:
            jobs: Name -> the observer of the job.
            max_concurrent: Maximum number of jobs that run at the same time, in a workspace whose
                jobs start only when they are watched (`outlives_command` is False). None means the
                number of cores.
            listener: The callbacks for the starts and the ends of jobs.

        Raises:
            KeyboardInterrupt: The user pressed Ctrl-C. All started jobs have ended.
        """

    def add_artifacts(self, sweep: str, files: Mapping[str, Path]) -> None:
        """Add files, e.g. figures, to the artifacts of a sweep's MLflow run.

        Args:
            sweep: The name of the sweep. No script can write artifacts to its run.
            files: Path of the artifact -> the file to copy.
        """

    def register_model(self, spec: ModelSpec) -> RegisteredModel:
        """Register the files of a job as a version of a model, and return the version."""

    def find_model(self, name: str, version: str | None = None) -> RegisteredModel | None:
        """Return a version of a registered model; None if there is no such version.

        If `version` is None, the newest version is returned. The model may have been registered by
        another program.
        """

    def create_or_update_endpoint(self, spec: EndpointSpec) -> Endpoint:
        """Create the endpoint, or change the traffic, keys and description of the endpoint."""

    def create_or_update_deployment(self, spec: DeploymentSpec) -> Deployment:
        """Create or replace a deployment, and wait until the new deployment answers.

        If the new deployment does not start, the old deployment continues to answer.
        """

    def get_endpoint(self, name: str) -> Endpoint:
        """Return the endpoint with its deployments."""

    def list_endpoints(self) -> Sequence[Endpoint]:
        """Return all endpoints, sorted by name."""

    def statistics(self, endpoint: str) -> Mapping[str, DeploymentStatistics]:
        """Return deployment name -> statistics; empty if no statistics can be read."""

    def invoke(self, endpoint: str, body: bytes, deployment: str | None = None) -> object:
        """Send one scoring request and return the parsed answer.

        If `deployment` is None, the endpoint chooses a deployment by the traffic percentages.
        """

    def logs(self, endpoint: str, deployment: str, lines: int = 50) -> Sequence[str]:
        """Return the last lines of a deployment's log."""

    def delete_endpoint(self, name: str) -> None:
        """Delete the endpoint with all its deployments, and wait for the deletion."""

    def delete_deployment(self, endpoint: str, name: str) -> None:
        """Delete a deployment of an endpoint, and wait for the deletion.

        Raises:
            NotFoundError: The endpoint or the deployment does not exist.
            RefusedError: The deployment has live or mirrored traffic.
        """

    def delete_environments(self) -> Iterator[str]:
        """Delete the saved Python environments that nobody uses.

        Yield one line of text for each environment. Azure ML's environments cost nothing, so the
        azure workspace deletes nothing.
        """

    def costs(self) -> Sequence[str]:
        """Return one line of text for each resource that costs money even if nobody uses it."""

    def diagnose(self, compute: ComputeConfig, deployment: DeploymentSpec) -> Iterator[Finding]:
        """Yield findings about the workspace, for `stage=doctor`."""

    def check(self, spec: Spec, observer: Observer) -> None:
        """Check that the workspace can run the spec. Fetch missing data and packages."""

    def sample_folder(self, data: DataConfig, observer: Observer) -> Path:
        """Return a local folder with the digits; fetch the digits if they are missing."""

    def model_file(self, model: str, path: str) -> Path | None:
        """Return a local copy of a file of a registered model; None if there is no such file.

        Args:
            model: The registered model, as `name:version`.
            path: The path of the file in the model's folder.
        """

    def download(self, job: str, path: str) -> Path | None:
        """Return a local copy of a file that the job saved; None if there is no such file."""
