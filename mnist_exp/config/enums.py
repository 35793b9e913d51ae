"""The words that the config knows: a string enum for each closed set, and the one for no value.

They stand apart from the groups that use them, because specs, stages and workspaces use the same
words without the groups.
"""

from enum import StrEnum
from typing import Any

#: What OmegaConf reads as "no value yet"; spelt out so that this module needs no OmegaConf.
MISSING: Any = "???"


class Stage(StrEnum):
    """What one call of `mnist-exp` does."""

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


class WorkspaceType(StrEnum):
    """Where the experiment runs."""

    local = "local"
    azure = "azure"


class Credential(StrEnum):
    """How the azure workspace signs in."""

    default = "default"
    interactive = "interactive"
    cli = "cli"
    managed_identity = "managed_identity"
    environment = "environment"


class Cloud(StrEnum):
    """Azure's clouds, by the names that Azure's own tools have for them."""

    AzureCloud = "AzureCloud"
    AzureUSGovernment = "AzureUSGovernment"
    AzureChinaCloud = "AzureChinaCloud"


class DataType(StrEnum):
    """Where the digits come from."""

    sample = "sample"
    mnist = "mnist"
    folder = "folder"


class ComputeType(StrEnum):
    """What jobs run on; `amlcompute` and `serverless` are Azure ML's words."""

    local = "local"
    amlcompute = "amlcompute"
    serverless = "serverless"


class ComputeTier(StrEnum):
    """Azure ML's priority of a cluster's nodes."""

    dedicated = "dedicated"
    low_priority = "low_priority"


class EnvType(StrEnum):
    """How a job's software is named."""

    curated = "curated"
    conda = "conda"
    local = "local"


class Identity(StrEnum):
    """Whose credentials a job on Azure uses to reach data."""

    user = "user"
    managed = "managed"


class Architecture(StrEnum):
    """The networks that the trainer builds."""

    dnn = "dnn"
    cnn = "cnn"


class Optimizer(StrEnum):
    """How the trainer goes down the gradient."""

    sgd = "sgd"
    momentum = "momentum"
    adam = "adam"


class DistributionType(StrEnum):
    """Azure ML's distribution types that a TensorFlow trainer can use."""

    tensorflow = "tensorflow"


class AuthMode(StrEnum):
    """How an endpoint's callers prove who they are."""

    key = "key"
    aml_token = "aml_token"  # noqa: S105


class KeyName(StrEnum):
    """The two keys of an endpoint."""

    primary = "primary"
    secondary = "secondary"
