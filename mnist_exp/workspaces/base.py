"""The `Workspace` interface: what a stage may ask of the place where the experiment runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from mnist_exp.specs import (
    CommandJob,
    ComputeSpec,
    DataSpec,
    DeploymentSpec,
    EndpointSpec,
    Literal,
    ModelSpec,
    SweepJob,
)

__all__ = [
    "BY_THE_USER",
    "Compute",
    "Deployment",
    "DeploymentStatistics",
    "Detached",
    "Endpoint",
    "Finding",
    "JobInterrupted",
    "JobResult",
    "JobStatus",
    "Level",
    "MetricPoint",
    "Observer",
    "RegisteredModel",
    "TrialResult",
    "Workspace",
]


#: Why something is Canceled that a signal, Ctrl-C above all, has ended.
BY_THE_USER = "canceled by the user"


class JobStatus(StrEnum):
    """Azure ML's words for where a job is.

    https://learn.microsoft.com/python/api/azure-ai-ml/azure.ai.ml.entities.job
    """

    NOT_STARTED = "NotStarted"
    STARTING = "Starting"
    PREPARING = "Preparing"
    QUEUED = "Queued"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def is_finished(self) -> bool:
        """Whether the job will not change any more."""
        return self is JobStatus.COMPLETED or self.ended_badly

    @property
    def ended_badly(self) -> bool:
        """Whether the job has ended, and not as it should."""
        return self in {JobStatus.FAILED, JobStatus.CANCELED}


@dataclass(frozen=True)
class MetricPoint:
    """One log event of a metric."""

    value: float
    step: int


@dataclass(frozen=True)
class TrialResult:
    """A trial of a sweep, running or ended.

    Attributes:
        parameters: The values drawn from the search space.
        best: Best value of the primary metric in the trial's whole history; None: never logged.
        last: The latest value.
        events: How many times the primary metric was logged: Azure ML's intervals.
        why: Why it ended as it did, in plain words; empty when it just completed.
        metrics: Name -> every log event, in order of arrival.
        cut: The interval at which early termination cut it; None if it did not.
    """

    name: str
    status: JobStatus
    parameters: Mapping[str, Literal]
    best: float | None = None
    last: float | None = None
    events: int = 0
    why: str = ""
    metrics: Mapping[str, Sequence[MetricPoint]] = field(default_factory=dict)
    duration_s: float = 0.0
    cut: int | None = None


@dataclass(frozen=True)
class JobResult:
    """A job or sweep, running or ended.

    Attributes:
        metrics: Name -> every log event, in order of arrival. For a sweep: its best trial's.
        why: Why it failed or was canceled.
        folder: Where its files are kept (`outputs/`, `logs/`, `user_logs/`); a path or a URI.
        log: Its console log, if it has one.
        log_tail: The last lines of that log.
        trials: A sweep's trials by index.
        best: The name of a sweep's best trial; None when no trial logged the primary metric.
        warnings: What the user should know though the job ended.
    """

    name: str
    status: JobStatus
    parameters: Mapping[str, Literal] = field(default_factory=dict)
    metrics: Mapping[str, Sequence[MetricPoint]] = field(default_factory=dict)
    why: str = ""
    folder: str | None = None
    log: str | None = None
    log_tail: Sequence[str] = ()
    trials: Sequence[TrialResult] = ()
    best: str | None = None
    warnings: Sequence[str] = ()

    @property
    def last_metrics(self) -> dict[str, float]:
        """Name -> last value, as `run.json` has it."""
        return {name: points[-1].value for name, points in self.metrics.items() if points}

    @property
    def best_trial(self) -> TrialResult | None:
        """The winner of a sweep."""
        return next((trial for trial in self.trials if trial.name == self.best), None)


class JobInterrupted(KeyboardInterrupt):
    """The user stopped a job, or a sweep, that was being watched.

    Attributes:
        result: How it ended.
    """

    def __init__(self, result: JobResult) -> None:
        super().__init__()
        self.result = result


@dataclass(frozen=True)
class Compute:
    """A compute target as the workspace has it."""

    name: str
    type: str
    size: str | None = None
    created: bool = False
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class RegisteredModel:
    """A version of a registered model; `path` is where its files are, `job` where it came from.

    `type` is Azure ML's: custom_model, mlflow_model or triton_model.
    """

    name: str
    version: str
    path: str
    job: str
    type: str = "custom_model"


@dataclass(frozen=True)
class Deployment:
    """A deployment as the workspace has it.

    Attributes:
        provisioning_state: In Azure ML's words: Creating, Updating, Succeeded, Failed, Deleting.
        log: Its console log, if it can be read on this machine.
        why: Why it has Failed, and what to do.
    """

    name: str
    provisioning_state: str
    model: str
    scoring_uri: str | None = None
    log: str | None = None
    why: str = ""


@dataclass(frozen=True)
class DeploymentStatistics:
    """How a deployment has done so far; two of them, one taken from the other, tell of a time.

    Attributes:
        times_ms: Milliseconds -> how many of the successful requests took no longer, and longer
            than the next smaller bound.
        processes: Who works for it, where that can be said.
        restarts: How often a worker had to be replaced.
    """

    requests: int = 0
    failures: int = 0
    times_ms: Mapping[float, int] = field(default_factory=dict)
    processes: Sequence[int] = ()
    restarts: int = 0


@dataclass(frozen=True)
class Endpoint:
    """An endpoint as the workspace has it.

    Attributes:
        keys: Where its keys can be read: a path that only its owner can open; None if nowhere.
        why: Why it has Failed, and what to do.
    """

    name: str
    provisioning_state: str
    scoring_uri: str | None
    traffic: Mapping[str, int] = field(default_factory=dict)
    deployments: Sequence[Deployment] = ()
    keys: str | None = None
    mirror_traffic: Mapping[str, int] = field(default_factory=dict)
    why: str = ""
    auth_mode: str = "key"


class Detached(KeyboardInterrupt):
    """The user stopped watching a job that goes on where it runs; its name is the argument."""


class Level(StrEnum):
    """How a finding of the doctor bears on the experiment."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `what` is a config key or a word, `text` has the remedy."""

    level: Level
    what: str
    text: str


class Observer(Protocol):
    """Hears of progress while a workspace watches a job; all calls come from one thread."""

    def job_changed(self, job: JobResult) -> None:
        """The job, or one of a sweep's trials, has a new status or a new metric."""

    def message(self, text: str) -> None:
        """Something worth a line: a decision, a download, a retry."""


class Workspace(Protocol):
    """Where an experiment runs. Every verb raises `mnist_exp.errors.MnistExpError` alone.

    Attributes:
        outlives_command: Whether jobs go on when the command that submitted them is gone.
    """

    outlives_command: bool

    def get_or_create_compute(self, spec: ComputeSpec) -> Compute:
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

    def diagnose(self, compute: ComputeSpec, deployment: DeploymentSpec) -> Iterator[Finding]:
        """Yield what stands between the config and the place where it is to run."""

    def check(
        self, spec: CommandJob | DeploymentSpec | EndpointSpec | ModelSpec, observer: Observer
    ) -> None:
        """Look at what the spec needs, fetching data if need be, before anything is started."""

    def sample_folder(self, data: DataSpec, observer: Observer) -> Path:
        """Return a local folder with the digits, fetched first if need be."""

    def download(self, job: str, path: str) -> Path | None:
        """Return a local copy of one of a job's kept files; None if it has no such file."""
