"""What to do, as frozen values: the only thing that a workspace sees.

Built from the config by `mnist_exp.build` (pure), acted on by a `Workspace`.
Field names are Azure ML's; templates keep our spelling (`{{inputs.x}}`) until a workspace
renders them (local) or translates them to `${{inputs.x}}` (azure).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mnist_exp.config import (
    AuthMode,
    ComputeTier,
    ComputeType,
    DataType,
    DistributionType,
    EnvType,
    Identity,
    KeyName,
)
from mnist_exp.sweeps.limits import Limits
from mnist_exp.sweeps.ranking import Objective
from mnist_exp.sweeps.sampling.algorithms import Sampling
from mnist_exp.sweeps.space.expressions import Expression
from mnist_exp.sweeps.stopping.policy import Policy

Literal = str | int | float | bool


@dataclass(frozen=True)
class DataSpec:
    """The digits, before anyone has fetched them."""

    type: DataType
    path: Path | None = None
    url: str | None = None
    azure_path: str | None = None
    cache_dir: Path | None = None


@dataclass(frozen=True)
class PathInput:
    """A job input that is a file or a folder.

    `path` is a local path, a URI, or the data group's digits.
    """

    path: Path | str | DataSpec
    type: str = "uri_folder"
    mode: str = "ro_mount"


@dataclass(frozen=True)
class OutputSpec:
    """A named output of a job: a folder or file that the workspace keeps."""

    type: str = "uri_folder"
    mode: str = "rw_mount"


@dataclass(frozen=True)
class EnvironmentSpec:
    """The software of a job or deployment."""

    type: EnvType
    name: str | None = None
    image: str | None = None
    conda_file: Path | None = None


@dataclass(frozen=True)
class ComputeSpec:
    """A compute target; `idle_time_before_scale_down` in seconds.

    `evict_after_epochs` is a drill of the local workspace: the first attempt of a training job is
    evicted when it has logged its metrics so many times.
    """

    type: ComputeType
    name: str
    size: str | None = None
    min_instances: int = 0
    max_instances: int = 1
    idle_time_before_scale_down: int = 120
    tier: ComputeTier = ComputeTier.dedicated
    evict_after_epochs: int | None = None


@dataclass(frozen=True)
class Distribution:
    """How a job's processes work together, in Azure ML's words."""

    type: DistributionType
    worker_count: int


@dataclass(frozen=True)
class CommandJob:
    """One run of a command: Azure ML's command job.

    Attributes:
        name: Unique in the workspace; made before the job is sent.
        command: With `{{inputs.x}}`, `{{outputs.x}}` and `[[optional {{inputs.y}}]]`.
        quoted: Whether the local workspace shell-quotes what it inserts. True for commands that
            we derived from a script; Azure ML itself never quotes.
        timeout: Seconds of running.
    """

    name: str
    experiment_name: str
    display_name: str
    command: str
    quoted: bool
    compute: ComputeSpec
    environment: EnvironmentSpec
    code: Path | None = None
    inputs: Mapping[str, Literal | PathInput] = field(default_factory=dict)
    outputs: Mapping[str, OutputSpec] = field(default_factory=dict)
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    identity: Identity | None = None
    timeout: int | None = None
    distribution: Distribution | None = None

    @property
    def worker_count(self) -> int:
        """How many processes run the command."""
        return self.distribution.worker_count if self.distribution else 1


@dataclass(frozen=True)
class SweepJob:
    """A hyperparameter search over a command job: Azure ML's sweep job.

    `trial.command` refers to swept inputs as `{{search_space.x}}`.

    Attributes:
        fail_fast: Whether a trial that fails ends the sweep; ours, Azure ML has no such thing.
        fail_on_failed_trials: Whether one that has failed makes the sweep Failed at its end.
    """

    name: str
    trial: CommandJob
    search_space: Mapping[str, Expression]
    sampling: Sampling
    objective: Objective
    limits: Limits
    early_termination: Policy | None = None
    fail_fast: bool = False
    fail_on_failed_trials: bool = False


@dataclass(frozen=True)
class ModelSpec:
    """A model asset to register from the files of a finished job.

    Attributes:
        job: The job whose files become the model.
        path: Relative to the job's kept files, e.g. `outputs/model`.
    """

    name: str
    job: str
    path: str
    type: str = "custom_model"
    description: str = ""


@dataclass(frozen=True)
class RequestSettings:
    """Azure ML's limits of a deployment's requests."""

    request_timeout_ms: int = 5000
    max_concurrent_requests_per_instance: int = 1


@dataclass(frozen=True)
class ProbeSettings:
    """Azure ML's probe of a container; seconds, and looks in a row."""

    initial_delay: float = 10
    period: float = 10
    timeout: float = 2
    success_threshold: int = 1
    failure_threshold: int = 30


@dataclass(frozen=True)
class EndpointSpec:
    """An online endpoint; what is None or empty stays as it is, or gets Azure ML's default.

    Attributes:
        auth_mode: None is key for a new endpoint.
        description: Text shown with the endpoint.
        traffic: Deployment name -> percent; a sum of 0 or 100. Empty leaves it as it is.
        mirror_traffic: One deployment -> percent of the requests that it gets a copy of, at most
            50. Empty leaves it as it is; 0 ends it.
        regenerate_key: This key is made anew.
        token_lifetime: Seconds, for aml_token; None is an hour for a new endpoint.
        ttl: Seconds from now after which the endpoint deletes itself; None changes nothing.
        port: Port on 127.0.0.1 of a local endpoint; None takes a free one.
    """

    name: str
    auth_mode: AuthMode | None = None
    description: str = ""
    traffic: Mapping[str, int] = field(default_factory=dict)
    mirror_traffic: Mapping[str, int] = field(default_factory=dict)
    regenerate_key: KeyName | None = None
    token_lifetime: int | None = None
    ttl: int | None = None
    port: int | None = None


@dataclass(frozen=True)
class DeploymentSpec:
    """A deployment of a registered model behind an endpoint.

    Attributes:
        model: `name:version` of a registered model.
        code: Folder that holds the scoring script.
        scoring_script: None for a model of type mlflow_model, which needs none.
    """

    name: str
    endpoint: str
    model: str
    code: Path | None
    scoring_script: str | None
    environment: EnvironmentSpec
    instance_type: str
    instance_count: int = 1
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    request_settings: RequestSettings = field(default_factory=RequestSettings)
    liveness_probe: ProbeSettings = field(default_factory=ProbeSettings)
    readiness_probe: ProbeSettings = field(default_factory=ProbeSettings)


def parse_model_reference(reference: str) -> tuple[str, str]:
    """Split `name:version`.

    Raises:
        ValueError: There is no version.
    """
    name, separator, version = reference.rpartition(":")
    if not separator or not name or not version:
        raise ValueError(f"a model reference is name:version, got {reference!r}")
    return name, version
