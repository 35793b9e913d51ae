"""The local workspace: processes, an MLflow store and files below the outputs folder."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_exp.config import ComputeConfig, ComputeType, DataConfig
from mnist_exp.datasets import materialize
from mnist_exp.errors import JobError, RefusedError
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
)
from mnist_exp.specs import (
    CommandJob,
    DeploymentSpec,
    EndpointSpec,
    ModelSpec,
    PathInput,
    SweepJob,
    parse_model_reference,
)
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import Observer
from mnist_exp.workspaces.local.endpoints import Endpoints, ModelFiles
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.jobs.host import JobHost
from mnist_exp.workspaces.local.jobs.inputs import local_path
from mnist_exp.workspaces.local.jobs.interrupts import noted_interrupts
from mnist_exp.workspaces.local.jobs.start import require_same_command
from mnist_exp.workspaces.local.jobs.watching import run_job
from mnist_exp.workspaces.local.sweep.runner import run_sweep

if TYPE_CHECKING:
    from mnist_exp.workspaces.local.tracking.store import Tracking


class LocalWorkspace:
    """Azure ML's semantics on one machine, with no account.

    Args:
        outputs: The folder below which all files are kept.
    """

    outlives_command = False

    def __init__(self, outputs: Path) -> None:
        self._outputs = outputs.resolve()
        self._jobs = self._outputs / "jobs"
        self._endpoints = Endpoints(self._outputs / "endpoints", leave_out=self._outputs)
        self._submitted: dict[str, CommandJob | SweepJob] = {}

    @cached_property
    def _tracking(self) -> "Tracking":
        # MLflow takes longer to import than most stages take, and half of the stages never use it.
        # Without pandas, which only its data sets need, the import takes two thirds of the time.
        with absent("pandas"):
            from mnist_exp.workspaces.local.tracking.store import Tracking  # noqa: PLC0415

        return Tracking(self._outputs)

    def get_or_create_compute(self, spec: ComputeConfig) -> Compute:
        """Return this machine under the name of the compute target."""
        if spec.type is ComputeType.local:
            return Compute(spec.name, spec.type.value)
        note = f"{spec.name} ({spec.size or 'any size'}) is this machine"
        return Compute(spec.name, spec.type.value, spec.size, notes=(note,))

    def delete_compute(self, name: str) -> bool:
        """Delete nothing: the compute target is this machine."""
        return False

    def find_job(self, name: str) -> JobStatus | None:
        """Return None: no job outlives the command that watches it."""
        return None

    def submit(self, job: CommandJob | SweepJob) -> str:
        """Accept a job; `watch` runs it, since no job here outlives the command."""
        if job.name in self._submitted:
            raise RefusedError(
                f"run: a job named {job.name} has been submitted; names are used once"
            )
        self._submitted[job.name] = job
        return job.name

    def watch(self, name: str, observer: Observer) -> JobResult:
        """Run a submitted job to its end; cancel it on KeyboardInterrupt."""
        job = self._submitted.pop(name, None)
        if job is None:
            raise JobError(f"run: no job {name} was submitted here; submit it first")
        with noted_interrupts() as interrupts:
            host = JobHost(self._jobs, lambda: self._tracking, observer, interrupts)
            if isinstance(job, SweepJob):
                return run_sweep(job, host)
            return run_job(job, host)

    def register_model(self, spec: ModelSpec) -> RegisteredModel:
        """Register files that a job has kept in MLflow's model registry."""
        source = self._model_source(spec)
        return self._tracking.register(spec, JobFolder(self._jobs, spec.job).run_id, source)

    def _model_source(self, spec: ModelSpec) -> Path:
        folder = JobFolder(self._jobs, spec.job).path
        source = folder / spec.path
        if not source.exists():
            raise JobError(
                f"registration.path: must be among the files of job {spec.job}, got {spec.path}; "
                f"its files are in {folder}"
            )
        return source

    def create_or_update_endpoint(self, spec: EndpointSpec) -> Endpoint:
        """Create the endpoint, or update traffic, keys and description of an existing one."""
        return self._endpoints.create_or_update(spec)

    def create_or_update_deployment(self, spec: DeploymentSpec) -> Deployment:
        """Create or replace a deployment and wait until it answers."""
        name, version = parse_model_reference(spec.model)
        model = self._tracking.registered(name, version)
        return self._endpoints.deploy(spec, ModelFiles(Path(model.path), name, version, model.type))

    def get_endpoint(self, name: str) -> Endpoint:
        """Return the endpoint, with its deployments as they are now."""
        return self._endpoints.get(name)

    def list_endpoints(self) -> Sequence[Endpoint]:
        """Return all endpoints, by name."""
        return self._endpoints.list()

    def statistics(self, endpoint: str) -> Mapping[str, DeploymentStatistics]:
        """Return the statistics of each deployment since the endpoint's front process started."""
        return self._endpoints.statistics(endpoint)

    def invoke(self, endpoint: str, body: bytes, deployment: str | None = None) -> object:
        """Send one scoring request and return the parsed answer."""
        return self._endpoints.invoke(endpoint, body, deployment)

    def logs(self, endpoint: str, deployment: str, lines: int = 50) -> Sequence[str]:
        """Return the last lines that a deployment printed."""
        return self._endpoints.logs(endpoint, deployment, lines)

    def delete_endpoint(self, name: str) -> None:
        """Delete the endpoint with all its processes, and return when they have ended."""
        self._endpoints.delete(name)

    def costs(self) -> Sequence[str]:
        """Return nothing: this machine costs no money."""
        return ()

    def diagnose(self, compute: ComputeConfig, deployment: DeploymentSpec) -> Iterator[Finding]:
        """Yield one finding: this machine can run the experiment."""
        yield Finding(Level.OK, "workspace", f"this machine, outputs in {self._outputs}")

    def sample_folder(self, data: DataConfig, observer: Observer) -> Path:
        """Return a local folder with the digits, downloaded first if they are not there."""
        return materialize(data, observer.message)

    def download(self, job: str, path: str) -> Path | None:
        """Return the path of one of a job's kept files, None if it has no such file."""
        found = JobFolder(self._jobs, job).path / path
        return found if found.exists() else None

    def check(
        self, spec: CommandJob | DeploymentSpec | EndpointSpec | ModelSpec, observer: Observer
    ) -> None:
        """Validate a job's inputs, an endpoint's port or a model's files; download missing data."""
        if isinstance(spec, EndpointSpec):
            self._endpoints.check_port(spec.name, spec.port)
            return
        if isinstance(spec, ModelSpec):
            self._model_source(spec)
            return
        if isinstance(spec, DeploymentSpec):
            return
        require_same_command(JobFolder(self._jobs, spec.name), spec)
        for name, value in spec.inputs.items():
            if isinstance(value, PathInput):
                local_path(name, value.path, observer.message)
