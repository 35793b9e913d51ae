"""The config's enums, one for each closed set of values, and its mark for a missing value.

Specs, stages and workspaces use these enums too, without the config groups.
"""

from enum import StrEnum
from typing import Any

#: OmegaConf's mark for a missing value, written out so that this module needs no OmegaConf.
MISSING: Any = "???"


class Stage(StrEnum):
    """What one `mnist-exp` command does."""

    compute = "compute"
    train = "train"
    sweep = "sweep"
    register = "register"
    deploy = "deploy"
    invoke = "invoke"
    status = "status"
    logs = "logs"
    cleanup = "cleanup"
    doctor = "doctor"
    all = "all"

    @property
    def trains(self) -> bool:
        """Whether the stage runs the training job, once or in a sweep."""
        return self in (Stage.train, Stage.sweep, Stage.all)

    @property
    def sweeps(self) -> bool:
        """Whether the stage runs a sweep."""
        return self in (Stage.sweep, Stage.all)

    @property
    def registers(self) -> bool:
        """Whether the stage registers a model."""
        return self in (Stage.register, Stage.all)

    @property
    def deploys(self) -> bool:
        """Whether the stage deploys a model."""
        return self in (Stage.deploy, Stage.all)

    @property
    def uses_endpoint(self) -> bool:
        """Whether the stage deploys, calls, inspects or deletes an endpoint."""
        return self.deploys or self in (Stage.invoke, Stage.status, Stage.logs, Stage.cleanup)


class WorkspaceType(StrEnum):
    """Where the experiment runs."""

    local = "local"
    azure = "azure"


class Credential(StrEnum):
    """How the azure workspace signs in to Azure."""

    default = "default"
    interactive = "interactive"
    cli = "cli"
    managed_identity = "managed_identity"
    environment = "environment"


class Cloud(StrEnum):
    """Azure's clouds, by the names that Azure's own tools use."""

    AzureCloud = "AzureCloud"
    AzureUSGovernment = "AzureUSGovernment"
    AzureChinaCloud = "AzureChinaCloud"


class DataType(StrEnum):
    """Where the digits come from."""

    sample = "sample"
    mnist = "mnist"
    folder = "folder"


class ComputeType(StrEnum):
    """The kinds of compute target; `amlcompute` and `serverless` are Azure ML's terms."""

    local = "local"
    amlcompute = "amlcompute"
    serverless = "serverless"


class ComputeTier(StrEnum):
    """Azure ML's priority of a cluster's nodes."""

    dedicated = "dedicated"
    low_priority = "low_priority"


class EnvType(StrEnum):
    """The kinds of software environment of a job or deployment."""

    curated = "curated"
    conda = "conda"
    local = "local"


class Identity(StrEnum):
    """Whose credentials a job on Azure uses to read data."""

    user = "user"
    managed = "managed"


class Architecture(StrEnum):
    """The trainer's network architectures."""

    dnn = "dnn"
    cnn = "cnn"


class Optimizer(StrEnum):
    """The trainer's optimizers."""

    sgd = "sgd"
    momentum = "momentum"
    adam = "adam"


class DistributionType(StrEnum):
    """Azure ML's distribution types for a TensorFlow trainer."""

    tensorflow = "tensorflow"


class AuthMode(StrEnum):
    """How an endpoint's callers prove who they are."""

    key = "key"
    aml_token = "aml_token"  # noqa: S105


class KeyName(StrEnum):
    """The two keys of an endpoint."""

    primary = "primary"
    secondary = "secondary"
