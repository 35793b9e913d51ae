"""Results: what a workspace returns about computes, jobs, models and endpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mnist_exp.metrics import MetricPoint
from mnist_exp.specs import Literal
from mnist_exp.status import JobStatus

#: The percentile of the response times that is compared.
_PERCENTILE = 95


@dataclass(frozen=True)
class TrialResult:
    """A trial of a sweep, running or ended.

    Attributes:
        parameters: The values that were drawn from the search space.
        best: The best value of the primary metric so far; None if the trial never logged it.
        last: The latest value of the primary metric.
        events: How often the trial logged the primary metric: Azure ML's intervals.
        why: Why the trial failed, was canceled or was cut; empty if it completed.
        metrics: Metric name -> every log event, in order of arrival.
        cut: The interval at which early termination cut the trial; None if it did not.
        log: The path of its console log, if the log is a file on this machine.
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
    log: str | None = None


@dataclass(frozen=True)
class JobResult:
    """A job or sweep, running or ended.

    Attributes:
        metrics: Metric name -> every log event, in order of arrival. Of a sweep: its best trial's.
        why: Why the job failed or was canceled.
        folder: Where its files are kept (`outputs/`, `logs/`, `user_logs/`): a path or a URI.
        log: The path of its console log, if it has one.
        log_tail: The last lines of the log.
        trials: Of a sweep: the trials by index.
        best: Of a sweep: the name of the best trial; None if no trial logged the primary metric.
        warnings: What the user should know although the job ended.
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
        """Metric name -> last value, as in `run.json`."""
        return {name: points[-1].value for name, points in self.metrics.items() if points}

    @property
    def best_trial(self) -> TrialResult | None:
        """The best trial of a sweep."""
        return next((trial for trial in self.trials if trial.name == self.best), None)


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
    """A version of a registered model.

    Attributes:
        path: Where its files are.
        job: The job that produced its files.
        type: Azure ML's type: custom_model, mlflow_model or triton_model.
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
        provisioning_state: Azure ML's state: Creating, Updating, Succeeded, Failed or Deleting.
        log: The path of its console log; None if this machine cannot read it.
        why: Why the deployment is Failed, and what to do.
    """

    name: str
    provisioning_state: str
    model: str
    scoring_uri: str | None = None
    log: str | None = None
    why: str = ""


@dataclass(frozen=True)
class DeploymentStatistics:
    """What a deployment has answered, since its endpoint started or in a period of time.

    Attributes:
        times_ms: Upper bound in milliseconds -> number of successful requests that took at most
            that long, and longer than the next smaller bound.
        processes: The process ids of its workers, where they are known.
        restarts: How often a worker was replaced.
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
        """The time in milliseconds within which 95 % of the successful requests were answered.

        0 without successful requests.
        """
        slower = sum(self.times_ms.values()) * _PERCENTILE / 100
        for bound in sorted(self.times_ms):
            slower -= self.times_ms[bound]
            if slower <= 0:
                return bound
        return 0.0

    def since(self, start: "DeploymentStatistics") -> "DeploymentStatistics":
        """Return the requests, failures and times since earlier statistics."""
        if self.requests < start.requests:
            # The process that counts was restarted in between, and counted from 0.
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
    """An endpoint as the workspace has it.

    Attributes:
        traffic: Deployment name -> percentage of the live traffic.
        keys: The path of the file with its keys, which only its owner can read; None if there is
            no such file.
        mirror_traffic: Deployment name -> percentage of the requests that are copied to it.
        why: Why the endpoint is Failed, and what to do.
        expires: When the endpoint deletes itself, in seconds of Unix time; None: never.
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
    """How serious a finding of the doctor is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One thing that the doctor looked at.

    Attributes:
        what: A config key, or a word for the thing.
        text: What was found, and what to do.
    """

    level: Level
    what: str
    text: str


def counted(number: int, word: str) -> str:
    """Return a number with its word: `1 request`, `2 requests`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
