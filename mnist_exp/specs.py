"""Specs: values that describe what a workspace must do.

`mnist_exp.build` builds specs from the config. A `Workspace` gets the specs, but not the config.
The fields have Azure ML's names. A command in a spec contains references such as
`{{inputs.x}}`. The local workspace replaces a reference by its value. The azure workspace
translates a reference to `${{inputs.x}}`.

If a spec and a config group have the same content, the spec holds the config group itself. This
applies to compute, environment, data, distribution, request settings and probes. A new field of
such a group is therefore defined only once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mnist_exp.config import (
    ArgumentStyle,
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

#: The path of a job's model, relative to the folder of the job's files, if no other path is given.
MODEL_PATH = "outputs/model"


@dataclass(frozen=True)
class PathInput:
    """A job input that is a file or a folder.

    Attributes:
        path: A local path, a URI, or a `DataConfig`, which describes a folder of digits.
    """

    path: Path | str | DataConfig
    type: str = "uri_folder"
    mode: str = "ro_mount"


@dataclass(frozen=True)
class OutputSpec:
    """A named output of a job: a folder or file that the workspace saves.

    Attributes:
        path: The URI of the folder or file on Azure; if None, Azure chooses the URI.
        name: The name of the asset that the output becomes; if None, no asset is created.
    """

    type: str = "uri_folder"
    mode: str = "rw_mount"
    path: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class CommandJob:
    """One run of a command: Azure ML's command job.

    Attributes:
        name: The name of the job, unique in the workspace. The name is chosen before the job
            is submitted.
        command: A template that may contain the references `{{inputs.x}}` and `{{outputs.x}}` and
            optional parts such as `$[[--y {{inputs.y}}]]` (see `mnist_exp.templates`).
        run_name: The name of the job's MLflow run on this machine; empty for the name of the job.
            On Azure ML, the MLflow run has the name `display_name`.
        quoted: Whether the local workspace quotes each inserted value for the shell. The field is
            True for a command that `mnist_exp.build` created for a script. Azure ML never quotes an
            inserted value.
        argument_style: The spelling of the arguments of a command that `mnist_exp.build` created.
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
    argument_style: ArgumentStyle = ArgumentStyle.dashes
    run_name: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

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
        fail_on_failed_trials: Whether the sweep ends as Failed if a trial failed.
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
        path: The path of the model, relative to the folder of the job's files, e.g.
            `outputs/model`; or the name or the id of a model that the script logged with MLflow.
            None means `outputs/model`. If a local job did not write `outputs/model`, None means the
            logged model. All logged models must then have the same name.
    """

    name: str
    job: str
    path: str | None
    type: str = "custom_model"
    description: str = ""

    @property
    def saved_path(self) -> str:
        """The path of the model if the model is among the job's files."""
        return self.path or MODEL_PATH


@dataclass(frozen=True)
class EndpointSpec:
    """An online endpoint to create or update.

    If a field of the spec is None or empty, an existing endpoint keeps its value of this field. A
    new endpoint gets Azure ML's default.

    Attributes:
        auth_mode: `key` or `aml_token`. The default of a new endpoint is `key`.
        description: Text shown with the endpoint.
        traffic: Deployment name -> percent; the sum is 0 or 100.
        mirror_traffic: Deployment name -> percent of the requests that are copied to the
            deployment, at most 50. Only one deployment may have more than 0 percent. 0 percent
            ends the copying.
        regenerate_key: The key to replace by a new key.
        token_lifetime: Lifetime of a token in seconds, for the `aml_token` mode. The default of a
            new endpoint is one hour.
        ttl: Seconds from now after which the endpoint deletes itself.
        port: Port of a local endpoint on 127.0.0.1; None chooses a free port.
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
    """A deployment of a registered model, with the names of the endpoint and the model.

    The class extends `DeploymentConfig`, so that a new field of a deployment is defined only once.
    The class is not frozen, because a frozen dataclass cannot extend a mutable dataclass. No code
    changes a `DeploymentSpec` that `mnist_exp.build` has returned.

    Attributes:
        endpoint: The endpoint's name.
        model: The registered model, as `name:version`.
    """

    endpoint: str
    model: str


#: A spec that a workspace can check before the job, model, endpoint or deployment is created.
Spec = CommandJob | SweepJob | ModelSpec | EndpointSpec | DeploymentSpec


def parse_model_name(text: str) -> tuple[str, str | None]:
    """Return the name and the version of a model that a user names, e.g. with `run=`.

    The user may write `NAME`, `NAME:VERSION` or `NAME@latest`. Azure ML also writes `azureml:`
    before the name. MLflow writes `models:/NAME/VERSION` or `models:/NAME/latest`. If the text has
    no version, the version is None, which means the newest.
    """
    if text.startswith("models:/"):
        name, _, version = text.removeprefix("models:/").partition("/")
        return name.removesuffix("@latest"), version.removeprefix("latest") or None
    name, _, version = text.removeprefix("azureml:").partition(":")
    return name.removesuffix("@latest"), version or None


def parse_model_reference(reference: str) -> tuple[str, str]:
    """Return the name and the version of a model reference `name:version`.

    Raises:
        ValueError: The reference has no name or no version.
    """
    name, separator, version = reference.rpartition(":")
    if not separator or not name or not version:
        raise ValueError(f"a model reference must be name:version, got {reference!r}")
    return name, version
