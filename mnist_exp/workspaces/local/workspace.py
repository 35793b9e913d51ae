"""The local workspace: processes, an MLflow store and files below the outputs folder."""

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_exp.config import ComputeConfig, ComputeType, DataConfig
from mnist_exp.datasets import materialize
from mnist_exp.errors import ConflictError, JobError
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
from mnist_exp.workspaces.base import BY_THE_USER, JobInterrupted, Observer
from mnist_exp.workspaces.local.endpoints import Endpoints, ModelFiles
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.jobs.inputs import local_path
from mnist_exp.workspaces.local.jobs.interrupts import noted_interrupts
from mnist_exp.workspaces.local.jobs.running_job import RunningJob, Site
from mnist_exp.workspaces.local.jobs.start import check_again, start_job
from mnist_exp.workspaces.local.sweep.run import run_sweep

if TYPE_CHECKING:
    from mnist_exp.workspaces.local.tracking.store import Tracking


#: Seconds between two looks at a job's metrics.
_POLL_S = 0.25
#: While an eviction is due after a certain epoch, and epochs may take milliseconds.
_DRILL_POLL_S = 0.002


class LocalWorkspace:
    """Azure ML's semantics on one machine, with no account.

    Args:
        outputs: Everything is kept below this folder.
    """

    outlives_command = False

    def __init__(self, outputs: Path) -> None:
        self._outputs = outputs.resolve()
        self._jobs = self._outputs / "jobs"
        self._endpoints = Endpoints(self._outputs / "endpoints", leave_out=self._outputs)
        self._submitted: dict[str, CommandJob | SweepJob] = {}

    @cached_property
    def _tracking(self) -> "Tracking":
        # MLflow takes longer to import than most stages take, and half of them never ask for it;
        # a third of that goes to data sets made of pandas' tables, which nobody here has.
        with absent("pandas"):
            from mnist_exp.workspaces.local.tracking.store import Tracking  # noqa: PLC0415

        return Tracking(self._outputs)

    def get_or_create_compute(self, spec: ComputeConfig) -> Compute:
        """Return this machine under the name that was asked for."""
        if spec.type is ComputeType.local:
            return Compute(spec.name, spec.type.value)
        note = f"{spec.name} ({spec.size or 'any size'}) is played by this machine"
        return Compute(spec.name, spec.type.value, spec.size, notes=(note,))

    def delete_compute(self, name: str) -> bool:
        """There is nothing to delete: it is this machine."""
        return False

    def find_job(self, name: str) -> JobStatus | None:
        """Jobs here end with the command that watches them."""
        return None

    def submit(self, job: CommandJob | SweepJob) -> str:
        """Accept a job; it runs while it is watched, since nothing here outlives the command."""
        if job.name in self._submitted:
            raise ConflictError(f"run: a job named {job.name} is submitted; names are used once")
        self._submitted[job.name] = job
        return job.name

    def watch(self, name: str, observer: Observer) -> JobResult:
        """Run a submitted job to its end; on KeyboardInterrupt it is canceled."""
        job = self._submitted.pop(name, None)
        if job is None:
            raise JobError(f"run: no job {name} was submitted here; submit it first")
        with noted_interrupts() as interrupts:
            site = Site(self._jobs, lambda: self._tracking, observer, interrupts)
            if isinstance(job, SweepJob):
                return run_sweep(job, site)
            return _watch_command(job, site)

    def register_model(self, spec: ModelSpec) -> RegisteredModel:
        """Register a job's kept files in MLflow's model registry."""
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
        """Make the endpoint, or change traffic, keys and description of the one there is."""
        return self._endpoints.create_or_update(spec)

    def create_or_update_deployment(self, spec: DeploymentSpec) -> Deployment:
        """Make or replace a deployment and wait until it answers."""
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
        """Return how each deployment has done since the endpoint's front process began."""
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
        """Nothing costs money here."""
        return ()

    def diagnose(self, compute: ComputeConfig, deployment: DeploymentSpec) -> Iterator[Finding]:
        """What the config itself does not tell is there: this machine."""
        yield Finding(Level.OK, "workspace", f"this machine, outputs in {self._outputs}")

    def sample_folder(self, data: DataConfig, observer: Observer) -> Path:
        """Return a local folder with the digits, fetched first if need be."""
        return materialize(data, observer.message)

    def download(self, job: str, path: str) -> Path | None:
        """Return the path of one of a job's kept files, None if it has no such file."""
        found = JobFolder(self._jobs, job).path / path
        return found if found.exists() else None

    def check(
        self, spec: CommandJob | DeploymentSpec | EndpointSpec | ModelSpec, observer: Observer
    ) -> None:
        """Fetch and validate what a job reads; see that a port is free, and a model there."""
        if isinstance(spec, EndpointSpec):
            self._endpoints.check_port(spec.name, spec.port)
            return
        if isinstance(spec, ModelSpec):
            self._model_source(spec)
            return
        if isinstance(spec, DeploymentSpec):
            return
        check_again(JobFolder(self._jobs, spec.name), spec)
        for name, value in spec.inputs.items():
            if isinstance(value, PathInput):
                local_path(name, value.path, observer.message)


def _watch_command(job: CommandJob, site: Site) -> JobResult:
    running = start_job(job, site)
    try:
        canceled = _follow(running, site)
    except KeyboardInterrupt:
        raise JobInterrupted(running.close(BY_THE_USER)) from None
    except BaseException as error:
        running.close(f"no longer watched: {error}")
        raise
    result = running.close(canceled)
    site.observer.job_changed(result)
    return result


def _follow(running: RunningJob, site: Site) -> str | None:
    """Return when the job has ended: None, or why it had to be canceled."""
    # Of the job, whatever number of attempts it takes.
    timeout, began = running.job.timeout, time.monotonic()
    seen: dict[str, int] = {}
    site.observer.job_changed(running.running({}))
    was_idle = False
    drill = running.job.compute.evict_after_epochs
    while running.poll() is None:
        site.interrupts.check()
        if timeout is not None and time.monotonic() - began > timeout:
            running.terminate()
            return f"canceled after job.timeout ({timeout} s)"
        metrics = running.histories()
        counts = {name: len(points) for name, points in metrics.items()}
        if counts != seen:
            seen = counts
            site.observer.job_changed(running.running(metrics))
        if drill is not None and _wait_for_epoch(running, drill):
            running.evict()
            drill = None
        running.wait(_POLL_S)
        if not was_idle and running.poll() is None:
            # It is no script that is done in a moment.
            was_idle = True
            site.observer.idle()
    return None


def _wait_for_epoch(running: RunningJob, epoch: int) -> bool:
    """Wait a moment for an epoch to be done, and return whether it is."""
    deadline = time.monotonic() + _POLL_S
    while running.poll() is None and time.monotonic() < deadline:
        if running.epochs() >= epoch:
            return True
        time.sleep(_DRILL_POLL_S)
    return False
