"""The enums of the config, and the mark for a missing value.

Specs, stages and workspaces also use these enums.
"""

from enum import StrEnum
from typing import Any

#: OmegaConf's mark for a missing value. The text is repeated here, so that this module does not
#: import OmegaConf.
MISSING: Any = "???"


class Stage(StrEnum):
    """The stages of an experiment. Each `mnist-exp` command runs one stage."""

    compute = "compute"
    run = "run"
    # `import` is a keyword of Python, but Hydra needs a member with this name: Stage("import").
    vars()["import"] = "import"
    train = "train"
    sweep = "sweep"
    register = "register"
    deploy = "deploy"
    invoke = "invoke"
    page = "page"
    status = "status"
    logs = "logs"
    cancel = "cancel"
    runs = "runs"
    compare = "compare"
    report = "report"
    prune = "prune"
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
        return self.deploys or self in (
            *(Stage.invoke, Stage.page, Stage.status, Stage.logs, Stage.cleanup),
        )

    @property
    def is_recorded(self) -> bool:
        """Whether the stage has a run folder with a record. The other stages only print results."""
        return self not in (
            *(Stage.page, Stage.status, Stage.logs, Stage.cancel),
            *(Stage.runs, Stage.compare, Stage.report, Stage.prune, Stage.doctor),
            Stage("import"),
        )


class RunOrder(StrEnum):
    """The orders of the rows of `stage=runs`."""

    started = "started"
    metric = "metric"


class OutputFormat(StrEnum):
    """The formats of the output of `stage=runs`."""

    table = "table"
    json = "json"


class WorkspaceType(StrEnum):
    """The kinds of workspace in which an experiment can run."""

    local = "local"
    azure = "azure"


class Credential(StrEnum):
    """The ways in which the azure workspace can sign in to Azure."""

    default = "default"
    interactive = "interactive"
    device_code = "device_code"
    cli = "cli"
    managed_identity = "managed_identity"
    environment = "environment"


class Cloud(StrEnum):
    """Azure's clouds, with the names that Azure's tools use."""

    AzureCloud = "AzureCloud"
    AzureUSGovernment = "AzureUSGovernment"
    AzureChinaCloud = "AzureChinaCloud"


class DataType(StrEnum):
    """The sources of the MNIST digits."""

    sample = "sample"
    mnist = "mnist"
    folder = "folder"


class ComputeType(StrEnum):
    """The kinds of compute target; `amlcompute` and `serverless` are Azure ML's terms."""

    local = "local"
    amlcompute = "amlcompute"
    serverless = "serverless"


class ComputeTier(StrEnum):
    """The priorities of a cluster's nodes, with Azure ML's names."""

    dedicated = "dedicated"
    low_priority = "low_priority"


class EnvType(StrEnum):
    """The kinds of software environment of a job or deployment."""

    curated = "curated"
    conda = "conda"
    local = "local"


class FigureFormat(StrEnum):
    """The format in which figures are saved. With svg or pdf, there is also a PNG file."""

    png = "png"
    svg = "svg"
    pdf = "pdf"


class Identity(StrEnum):
    """The identities with which a job on Azure can read data."""

    user = "user"
    managed = "managed"


class ModelType(StrEnum):
    """Azure ML's types of a registered model."""

    custom_model = "custom_model"
    mlflow_model = "mlflow_model"
    triton_model = "triton_model"


class Architecture(StrEnum):
    """The trainer's network architectures."""

    dnn = "dnn"
    cnn = "cnn"


class Optimizer(StrEnum):
    """The trainer's optimizers."""

    sgd = "sgd"
    momentum = "momentum"
    adam = "adam"


class ArgumentStyle(StrEnum):
    """The spellings of the arguments that a script gets."""

    dashes = "dashes"
    underscores = "underscores"
    key_value = "key_value"


class DistributionType(StrEnum):
    """Azure ML's distribution types for a TensorFlow trainer."""

    tensorflow = "tensorflow"


class AuthMode(StrEnum):
    """The ways in which an endpoint can authenticate its callers."""

    key = "key"
    aml_token = "aml_token"  # noqa: S105


class KeyName(StrEnum):
    """The two keys of an endpoint."""

    primary = "primary"
    secondary = "secondary"
