"""Results: the types that a workspace returns for compute targets, jobs, models and endpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mnist_exp.metrics import MetricPoint
from mnist_exp.specs import Literal
from mnist_exp.status import JobStatus

#: A rollout compares this percentile of the response times of two deployments.
_PERCENTILE = 95


@dataclass(frozen=True)
class TrialResult:
    """A trial of a sweep, running or ended.

    Attributes:
        parameters: The values that were drawn from the search space.
        best: The best value of the primary metric so far; None if the trial has logged no value.
        last: The latest value of the primary metric.
        events: Number of times that the trial logged the primary metric. Azure ML calls this
            number the interval of the trial.
        late: Number of times that the trial logged the primary metric after the decision to end the
            trial. The late values are in `metrics`, but not in `best`, `last` and `events`. Always
            0 on Azure ML, which does not report when it decided.
        why: The reason why the trial failed, was canceled or was cut (ended by early termination);
            empty if the trial completed.
        metrics: Metric name -> every logged value, in order of arrival.
        cut: Number of the interval at which early termination cut the trial; None if the trial
            was not cut.
        log: The path of the trial's console log; None if the log is not a file on this machine.
    """

    name: str
    status: JobStatus
    parameters: Mapping[str, Literal]
    best: float | None = None
    last: float | None = None
    events: int = 0
    late: int = 0
    why: str = ""
    metrics: Mapping[str, Sequence[MetricPoint]] = field(default_factory=dict)
    duration_s: float = 0.0
    cut: int | None = None
    log: str | None = None


@dataclass(frozen=True)
class JobResult:
    """A job or sweep, running or ended.

    Attributes:
        metrics: Metric name -> every logged value, in order of arrival. For a sweep: the metrics of
            the best trial.
        why: The reason why the job failed or was canceled.
        folder: The path or URI of the folder with the job's files (`outputs/`, `logs/`,
            `user_logs/`).
        log: The path of the job's console log; None if the job has no such file.
        log_tail: The last lines of the log.
        trials: For a sweep: the trials, in the order of their indices.
        best: For a sweep: the name of the best trial; None if no trial logged the primary metric.
        warnings: Warnings to print after the job has ended.
        metrics_of_script_runs: The names of metrics that the script did not log to the job's
            MLflow run, but to other runs, e.g. to nested runs.
        logged_models: The models that the script logged with MLflow, as values of
            `registration.path`. For a sweep: the models of the best trial. A value is the name of a
            model. If several nested runs have logged the same name, the values are the ids of these
            models. Empty if the job saved a model in `outputs/model`.
        library: The slowest library that a running job imports, e.g. `TensorFlow`; empty if
            unknown, and for a fork, whose libraries are already imported.
        unread: Warnings about results that could not be read, e.g. metrics. A later command can
            read these results.
        tracking_page: The address of the job's runs in MLflow's UI on this machine; empty on Azure.
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
    metrics_of_script_runs: Sequence[str] = ()
    logged_models: Sequence[str] = ()
    unread: Sequence[str] = ()
    library: str = ""
    tracking_page: str = ""

    @property
    def last_metrics(self) -> dict[str, float]:
        """Metric name -> last value, as in `run.json`."""
        return {name: points[-1].value for name, points in self.metrics.items() if points}

    @property
    def best_trial(self) -> TrialResult | None:
        """The best trial of a sweep."""
        return next((trial for trial in self.trials if trial.name == self.best), None)


@dataclass(frozen=True)
class StoredJob:
    """The files of a job, a sweep or a trial on this machine.

    Attributes:
        size: The size of the files in bytes.
        files: The number of files.
        model: The registered model that contains files of the job, as `name:version`; empty if
            there is none.
    """

    name: str
    size: int
    files: int
    model: str = ""


@dataclass(frozen=True)
class Compute:
    """A compute target in the workspace."""

    name: str
    type: str
    size: str | None = None
    created: bool = False
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class RegisteredModel:
    """A version of a registered model.

    Attributes:
        path: The path or URI of the model's files.
        job: The name of the job that produced the files; empty if the job is unknown.
        type: Azure ML's type: custom_model, mlflow_model or triton_model.
        logged_name: The name under which a script logged the model with MLflow; empty for other
            models.
        notes: Lines for the user about the choice of the files.
    """

    name: str
    version: str
    path: str
    job: str
    type: str = "custom_model"
    logged_name: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Deployment:
    """A deployment in the workspace.

    Attributes:
        provisioning_state: Azure ML's state: Creating, Updating, Succeeded, Failed or Deleting.
        log: The path of the deployment's console log; None if this machine cannot read the log.
        why: The reason why the deployment is Failed, and what to do.
    """

    name: str
    provisioning_state: str
    model: str
    scoring_uri: str | None = None
    log: str | None = None
    why: str = ""


@dataclass(frozen=True)
class DeploymentStatistics:
    """The numbers of a deployment's requests and failures, and the response times.

    The counts begin at 0 when the endpoint's server process starts, and when the deployment gets a
    new revision. `since` subtracts earlier counts.

    Attributes:
        times_ms: Upper bound in milliseconds -> number of successful requests whose response time
            is between the next smaller bound and this bound.
        processes: The process ids of the deployment's workers; empty if they are unknown.
        restarts: Number of times that a worker was replaced.
    """

    requests: int = 0
    failures: int = 0
    times_ms: Mapping[float, int] = field(default_factory=dict)
    processes: Sequence[int] = ()
    restarts: int = 0

    def __str__(self) -> str:
        return f"{counted(self.requests, 'request')}, {self.failures} failed"

    @property
    def failure_rate(self) -> float:
        """The share of requests that failed."""
        return self.failures / self.requests if self.requests else 0.0

    @property
    def p95_ms(self) -> float:
        """The 95th percentile of the response times of successful requests, in milliseconds.

        The value is 0 if no request was successful.
        """
        remaining = sum(self.times_ms.values()) * _PERCENTILE / 100
        for bound in sorted(self.times_ms):
            remaining -= self.times_ms[bound]
            if remaining <= 0:
                return bound
        return 0.0

    def since(self, start: "DeploymentStatistics") -> "DeploymentStatistics":
        """Return the requests, failures and times that were added since earlier statistics.

        Args:
            start: The earlier statistics of the same deployment.
        """
        if self.requests < start.requests:
            # The counts began at 0 again after the earlier statistics.
            start = DeploymentStatistics()
        times = {
            bound: count - start.times_ms.get(bound, 0)
            for bound, count in self.times_ms.items()
            if count > start.times_ms.get(bound, 0)
        }
        requests, failures = self.requests - start.requests, self.failures - start.failures
        return DeploymentStatistics(requests, failures, times)


@dataclass(frozen=True)
class Endpoint:
    """An endpoint in the workspace.

    Attributes:
        traffic: Deployment name -> percentage of the live traffic.
        keys: The path of the file with the endpoint's keys; None if there is no such file. Only
            the owner of the file can read the keys.
        mirror_traffic: Deployment name -> percentage of the requests that are copied to the
            deployment.
        why: The reason why the endpoint is Failed, and what to do.
        expires: The Unix time in seconds at which the endpoint deletes itself; None if the
            endpoint does not delete itself.
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
    expires: float | None = None


class Level(StrEnum):
    """The severity of a finding of stage=doctor."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """The result of one check of stage=doctor.

    Attributes:
        what: The subject of the check: a config key, or a name such as a package.
        text: The result of the check, and what to do.
    """

    level: Level
    what: str
    text: str


def counted(number: int, word: str) -> str:
    """Return a number with a noun in singular or plural: `1 request`, `2 requests`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def size_text(size: int) -> str:
    """Return a number of bytes as text. A megabyte has a million bytes."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.{int(size < 1e7)}f} MB"
