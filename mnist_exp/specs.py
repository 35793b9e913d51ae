"""What to do, as values: the only thing that a workspace sees.

`mnist_exp.build` builds specs from the config, and a `Workspace` acts on them.
Field names are Azure ML's. Commands keep our spelling (`{{inputs.x}}`) until a workspace fills them
in (local) or translates them to `${{inputs.x}}` (azure).

Where a spec and a config group have the same content, the spec holds the group itself: compute,
environment, data, distribution, request settings, probes. A new field of such a group needs no
second definition.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mnist_exp.config import (
    AuthMode,
    ComputeConfig,
    DataConfig,
    DeploymentConfig,
    DistributionConfig,
    EnvConfig,
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
class PathInput:
    """A job input that is a file or a folder.

    Attributes:
        path: A local path, a URI, or the data group, which stands for the folder of its digits.
    """

    path: Path | str | DataConfig
    type: str = "uri_folder"
    mode: str = "ro_mount"


@dataclass(frozen=True)
class OutputSpec:
    """A named output of a job: a folder or file that the workspace keeps."""

    type: str = "uri_folder"
    mode: str = "rw_mount"


@dataclass(frozen=True)
class CommandJob:
    """One run of a command: Azure ML's command job.

    Attributes:
        name: Unique in the workspace; created before the job is submitted.
        command: With `{{inputs.x}}`, `{{outputs.x}}` and `[[optional {{inputs.y}}]]`.
        quoted: Whether the local workspace shell-quotes each inserted value. True for a command
            that we derived from a script. Azure ML itself never quotes.
        timeout: Maximum duration in seconds.
        distribution: None for a job of one process.
    """

    name: str
    experiment_name: str
    display_name: str
    command: str
    quoted: bool
    compute: ComputeConfig
    environment: EnvConfig
    code: Path | None = None
    inputs: Mapping[str, Literal | PathInput] = field(default_factory=dict)
    outputs: Mapping[str, OutputSpec] = field(default_factory=dict)
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    identity: Identity | None = None
    timeout: int | None = None
    distribution: DistributionConfig | None = None

    @property
    def worker_count(self) -> int:
        """The number of processes that run the command."""
        return self.distribution.worker_count if self.distribution else 1


@dataclass(frozen=True)
class SweepJob:
    """A hyperparameter search over a command job: Azure ML's sweep job.

    Attributes:
        trial: The job of each trial. Its command refers to swept inputs as `{{search_space.x}}`.
        fail_fast: Whether the first failed trial ends the sweep. Azure ML has no such setting.
        fail_on_failed_trials: Whether a failed trial makes the sweep Failed when it ends.
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
class EndpointSpec:
    """An online endpoint to create or update.

    A field that is None or empty keeps its value, or gets Azure ML's default at a new endpoint.

    Attributes:
        auth_mode: None means `key` at a new endpoint.
        description: Text shown with the endpoint.
        traffic: Deployment name -> percent; the sum is 0 or 100.
        mirror_traffic: Deployment name -> percent of the requests that are copied to it; one name,
            at most 50. 0 ends the copying.
        regenerate_key: The key that is replaced by a new one.
        token_lifetime: Seconds, for `aml_token`; None means an hour at a new endpoint.
        ttl: Seconds from now after which the endpoint deletes itself.
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


@dataclass(kw_only=True)
class DeploymentSpec(DeploymentConfig):
    """A deployment of a registered model: the config's deployment, its endpoint and its model.

    The class extends the config's, so that a new field of a deployment is written down once. It
    is not frozen, because no frozen dataclass may extend a mutable one. No code changes it after
    `mnist_exp.build`.

    Attributes:
        endpoint: The endpoint's name.
        model: `name:version` of a registered model.
    """

    endpoint: str
    model: str


def parse_model_reference(reference: str) -> tuple[str, str]:
    """Split `name:version`.

    Raises:
        ValueError: There is no version.
    """
    name, separator, version = reference.rpartition(":")
    if not separator or not name or not version:
        raise ValueError(f"a model reference is name:version, got {reference!r}")
    return name, version
