"""The local workspace, which uses processes, an MLflow store and files in the outputs folder."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_exp.config import ComputeConfig, ComputeType, DataConfig
from mnist_exp.datasets import cache_folder, materialize
from mnist_exp.errors import RefusedError
from mnist_exp.hidden_imports import absent
from mnist_exp.results import (
    Compute,
    Deployment,
    DeploymentStatistics,
    Endpoint,
    Finding,
    JobResult,
    Level,
    RegisteredModel,
    StoredJob,
)
from mnist_exp.specs import (
    CommandJob,
    DeploymentSpec,
    EndpointSpec,
    ModelSpec,
    Spec,
    SweepJob,
    parse_model_reference,
)
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import JobsListener, Observer
from mnist_exp.workspaces.local.endpoints import Endpoints, ModelFiles
from mnist_exp.workspaces.local.environments.cache import EnvironmentCache
from mnist_exp.workspaces.local.environments.interpreter import OLDEST_PYTHON, Interpreter
from mnist_exp.workspaces.local.job_files import add_artifacts, delete_job, stored_jobs
from mnist_exp.workspaces.local.job_models import JobModels
from mnist_exp.workspaces.local.job_runner import JobRunner
from mnist_exp.workspaces.local.job_state import cancel, find_status, follow_log, read_result
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.tracking.database import check_store
from mnist_exp.workspaces.local.tracking.sources import with_files

if TYPE_CHECKING:
    from mnist_exp.workspaces.local.tracking.store import Tracking


#: The config key of a deployment's environment.
DEPLOYMENT_ENV = "endpoint.deployment.environment"
#: The package of Azure ML's inference server. On this machine, `mnist_exp.serving` replaces it.
_SERVER_PACKAGE = "azureml-inference-server-http"


def _silent(_: str) -> None:
    """Print nothing, because `check` has already printed the same messages."""


class LocalWorkspace:
    """A workspace on this machine, which behaves like Azure ML and needs no account.

    Args:
        outputs: The folder in which all files are saved.
        cache_dir: The folder with the digits and the Python environments; None means the user's
            cache folder.
    """

    outlives_command = False

    def __init__(self, outputs: Path, cache_dir: str | None = None) -> None:
        self._outputs = outputs.resolve()
        self._jobs = self._outputs / "jobs"
        self._endpoints = Endpoints(self._outputs / "endpoints", leave_out=self._outputs)
        self._environments = EnvironmentCache(cache_folder(cache_dir) / "environments")
        self._models = JobModels(self._jobs, lambda: self._tracking)
        self._runner = JobRunner(
            self._outputs, lambda: self._tracking, self._models, self._environments
        )

    @cached_property
    def _tracking(self) -> "Tracking":
        # Import late: importing MLflow takes longer than most stages, and half of the stages do not
        # use MLflow. MLflow needs pandas only for its data sets, which this project does not use.
        # Hiding pandas saves a third of the import time.
        check_store(self._outputs, _silent)
        with absent("pandas"):
            from mnist_exp.workspaces.local.tracking.store import Tracking  # noqa: PLC0415

        return Tracking(self._outputs)

    def close(self) -> None:
        """End the processes that `prefetch` has started. Endpoints continue to run."""
        self._runner.close()

    def get_or_create_compute(self, spec: ComputeConfig) -> Compute:
        """Return this machine, under the name of the compute target."""
        if spec.type is ComputeType.local:
            return Compute(spec.name, spec.type.value)
        note = f"this machine replaces {spec.name} ({spec.size or 'any size'})"
        return Compute(spec.name, spec.type.value, spec.size, notes=(note,))

    def delete_compute(self, name: str) -> bool:
        """Return False and delete nothing, because the compute target is this machine."""
        return False

    def find_job(self, name: str) -> JobStatus | None:
        """Return the status of a job or sweep; None if it was killed or does not exist."""
        return find_status(self._jobs, name)

    def job_result(self, name: str) -> JobResult | None:
        """Return the present result of a job, a sweep or a trial; None if the job is unknown."""
        return read_result(self._jobs, name)

    def job_log(self, name: str) -> Iterator[str]:
        """Yield the lines of a job's log. The log of a sweep lists the events of its trials."""
        return follow_log(self._jobs, name)

    def cancel_job(self, name: str) -> None:
        """Ask the command that runs the job to cancel the job, and wait until the job has ended."""
        cancel(self._jobs, name)

    def stored_jobs(self, name: str) -> Sequence[StoredJob]:
        """Return the files of a job, and the files of each trial of a sweep."""
        return stored_jobs(self._jobs, name, self._registered)

    def delete_job(self, name: str) -> None:
        """Delete the files and the MLflow run of a job."""
        delete_job(self._jobs, name, self._tracking)

    @cached_property
    def _registered(self) -> Mapping[str, str]:
        return self._tracking.models.jobs()

    def submit(self, job: CommandJob | SweepJob) -> str:
        """Accept a job, and return its name. The job starts only when `watch` is called."""
        return self._runner.submit(job)

    def watch(self, name: str, observer: Observer) -> JobResult:
        """Run a submitted job until it ends; cancel the job on KeyboardInterrupt."""
        return self._runner.watch(name, observer)

    def prefetch(
        self, job: CommandJob | SweepJob, max_concurrent: int | None, observer: Observer
    ) -> None:
        """Start the process from which the trials of a sweep, or jobs like this job, are forked."""
        self._runner.prefetch(job, max_concurrent, observer)

    def watch_jobs(
        self, jobs: Mapping[str, Observer], max_concurrent: int | None, listener: JobsListener
    ) -> None:
        """Run submitted jobs until they end. Jobs that import the same libraries are forked."""
        self._runner.watch_jobs(jobs, max_concurrent, listener)

    def add_artifacts(self, sweep: str, files: Mapping[str, Path]) -> None:
        """Copy files, e.g. figures, to the artifacts of a sweep's MLflow run."""
        add_artifacts(self._jobs, sweep, files)

    def register_model(self, spec: ModelSpec) -> RegisteredModel:
        """Register the saved files of a job as a model in MLflow's model registry."""
        return self._models.register(spec)

    def find_model(self, name: str, version: str | None = None) -> RegisteredModel | None:
        """Return a version of a registered model; None if there is no such version.

        If `version` is None, return the newest version.
        """
        found = self._tracking.models.find(name, version)
        return found and with_files(found)

    def model_file(self, model: str, path: str) -> Path | None:
        """Return the path of a file of a registered model; None if the file does not exist."""
        found = self._tracking.models.registered(*parse_model_reference(model))
        file = Path(found.path, path)
        return file if file.is_file() else None

    def create_or_update_endpoint(self, spec: EndpointSpec) -> Endpoint:
        """Create the endpoint, or update an existing endpoint's traffic, keys and description."""
        return self._endpoints.create_or_update(spec)

    def create_or_update_deployment(self, spec: DeploymentSpec) -> Deployment:
        """Create or replace a deployment, and wait until the deployment answers requests."""
        name, version = parse_model_reference(spec.model)
        model = self._tracking.models.registered(name, version)
        files = ModelFiles(Path(model.path), name, version, model.type, model.logged_name)
        with self._environments.using(spec.environment, DEPLOYMENT_ENV, _silent) as interpreter:
            folder = self._outputs / "endpoints" / spec.endpoint
            self._environments.add_endpoint(interpreter, folder)
            return self._endpoints.deploy(spec, files, interpreter)

    def get_endpoint(self, name: str) -> Endpoint:
        """Return the present state of the endpoint and of its deployments."""
        return self._endpoints.get(name)

    def list_endpoints(self) -> Sequence[Endpoint]:
        """Return all endpoints, in the order of their names."""
        return self._endpoints.list()

    def statistics(self, endpoint: str) -> Mapping[str, DeploymentStatistics]:
        """Return the statistics of each deployment since the endpoint's front process started."""
        return self._endpoints.statistics(endpoint)

    def invoke(self, endpoint: str, body: bytes, deployment: str | None = None) -> object:
        """Send one scoring request, and return the parsed answer."""
        return self._endpoints.invoke(endpoint, body, deployment)

    def logs(self, endpoint: str, deployment: str, lines: int = 50) -> Sequence[str]:
        """Return the last lines of a deployment's log."""
        return self._endpoints.logs(endpoint, deployment, lines)

    def delete_endpoint(self, name: str) -> None:
        """Delete the endpoint, and wait until all its processes have ended."""
        self._endpoints.delete(name)

    def delete_deployment(self, endpoint: str, name: str) -> None:
        """Delete a deployment without traffic, and wait until its processes have ended."""
        self._endpoints.delete_deployment(endpoint, name)

    def costs(self) -> Sequence[str]:
        """Return no lines, because this machine costs no money."""
        return ()

    def diagnose(self, compute: ComputeConfig, deployment: DeploymentSpec) -> Iterator[Finding]:
        """Yield a finding about this machine, and findings about the saved environments."""
        yield Finding(Level.OK, "workspace", f"this machine, with outputs in {self._outputs}")
        for line in self._environments.describe():
            yield Finding(Level.OK, "environment", line)

    def delete_environments(self) -> Iterator[str]:
        """Delete the saved environments that nobody uses; yield one line for each environment."""
        return self._environments.delete_all()

    def sample_folder(self, data: DataConfig, observer: Observer) -> Path:
        """Return a local folder with the digits. Download missing digits first."""
        return materialize(data, observer.message)

    def download(self, job: str, path: str) -> Path | None:
        """Return the path of a saved file of a job; None if the file does not exist."""
        found = JobFolder(self._jobs, job).saved(path)
        return found if found.exists() else None

    def check(self, spec: Spec, observer: Observer) -> None:
        """Check that this machine can run the spec.

        For a job or a deployment, create a missing Python environment. For a job, also download
        missing digits.
        """
        if isinstance(spec, EndpointSpec):
            self._endpoints.check_port(spec.name, spec.port)
            return
        if isinstance(spec, ModelSpec):
            check_store(self._outputs, observer.message)
            self._models.source(spec)
            return
        if isinstance(spec, DeploymentSpec):
            self._check_deployment(spec, observer)
            return
        check_store(self._outputs, observer.message)
        self._runner.check(spec, observer)

    def _check_deployment(self, spec: DeploymentSpec, observer: Observer) -> None:
        with self._environments.using(
            spec.environment, DEPLOYMENT_ENV, observer.message
        ) as interpreter:
            if not interpreter.can_run_package:
                oldest = ".".join(map(str, OLDEST_PYTHON))
                raise RefusedError(
                    f"{DEPLOYMENT_ENV}: must have Python {oldest} or later, got "
                    f"{interpreter.version}; change the version of python"
                )
            if (
                spec.scoring_script
                and not interpreter.is_this_python
                and not _has_server(interpreter)
            ):
                observer.message(
                    f"{DEPLOYMENT_ENV}: has no package {_SERVER_PACKAGE}; the deployment works "
                    "here, but Azure ML needs this package"
                )


def _has_server(interpreter: Interpreter) -> bool:
    pattern = f"{_SERVER_PACKAGE.replace('-', '_')}-*.dist-info"
    return any(next(folder.glob(pattern), None) for folder in interpreter.site_folders)
