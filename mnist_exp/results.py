"""What a workspace has, and what became of it: computes, jobs, models, endpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mnist_exp.metrics import MetricPoint
from mnist_exp.specs import Literal
from mnist_exp.status import JobStatus


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
        log: Its console log, where that is a file on this machine.
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
        expires: When it deletes itself, in seconds of Unix time; None: never.
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
