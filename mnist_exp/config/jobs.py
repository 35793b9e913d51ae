"""What runs and what comes of it: model, job, sweep, and the registration of the result.

They are one file because they are read together: a sweep draws a job's inputs, a job trains the
model, and what it leaves is registered.
"""

from dataclasses import dataclass, field
from typing import Any

from mnist_exp.config.enums import MISSING, Architecture, DistributionType, Identity, Optimizer


@dataclass
class ModelConfig:
    """The network and how it is trained."""

    # Neurons.
    first_layer_neurons: int = MISSING
    # Neurons.
    second_layer_neurons: int = MISSING
    # Images a step.
    batch_size: int = MISSING
    # Step of the optimizer; above 0.
    learning_rate: float = MISSING
    # Passes over the training images.
    epochs: int = MISSING
    # dnn: two dense layers; cnn: convolutions, which have no use for the layers' neurons.
    architecture: Architecture = Architecture.dnn
    # sgd, momentum (0.9) or adam.
    optimizer: Optimizer = Optimizer.sgd


@dataclass
class DistributionConfig:
    """How the processes of a training job work together."""

    # None runs one process. tensorflow: MultiWorkerMirroredStrategy from TF_CONFIG; its gRPC
    # server listens on every address of the machine.
    type: DistributionType | None = None
    # Processes; on Azure nodes.
    worker_count: int = 1
    # Kept for its error: parameter servers are refused.
    parameter_server_count: int = 0


@dataclass
class JobConfig:
    """What runs."""

    # Experiment in the tracking store that runs are listed under.
    experiment_name: str = MISSING
    # Shown beside the job's name; None shows the name.
    display_name: str | None = None
    # Folder that is shipped to the compute, relative to the YAML that names it.
    code: str | None = None
    # A Python script in `code`; gets each input and output as `--name-with-dashes value`.
    script: str | None = None
    # A shell command instead of a script, with `{{inputs.x}}` and `{{outputs.x}}`.
    command: str | None = None
    # Name -> literal, or {type: uri_folder|uri_file, path, mode}.
    inputs: dict[str, Any] = field(default_factory=dict)
    # Input name -> the config key that it takes its value from; filled in by composition.
    sources: dict[str, str] = field(default_factory=dict)
    # Name -> {type: uri_folder|uri_file, mode}.
    outputs: dict[str, Any] = field(default_factory=dict)
    # Name -> text; nothing is inherited from the shell.
    environment_variables: dict[str, str] = field(default_factory=dict)
    # user or managed: whose credentials reach data on Azure; None is the default of Azure.
    identity: Identity | None = None
    distribution: DistributionConfig = field(default_factory=DistributionConfig)
    # Seconds; None lets the job run on.
    timeout: int | None = None
    # Figure and progress of a single job follow this metric.
    primary_metric: str = MISSING


@dataclass
class ObjectiveConfig:
    """What a sweep looks for."""

    # Exactly the name that the script logs.
    primary_metric: str = MISSING
    # maximize or minimize.
    goal: str = MISSING


@dataclass
class LimitsConfig:
    """When a sweep ends."""

    # Trials, 1-1000.
    max_total_trials: int = MISSING
    # Trials at once; None is max_total_trials.
    max_concurrent_trials: int | None = None
    # Seconds, whole sweep; None is Azure ML's 60 days.
    timeout: int | None = None
    # Seconds, each trial; None lets trials run on.
    trial_timeout: int | None = None


@dataclass
class SweepConfig:
    """A hyperparameter search in Azure ML's words."""

    # {type: random|grid|bayesian, seed, rule: random|sobol, logbase}, or the type alone.
    sampling_algorithm: Any = field(default_factory=dict)
    # Input name -> {type: choice|uniform|loguniform|..., ...}; free to Hydra, typed by our parser.
    search_space: dict[str, Any] = field(default_factory=dict)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    # {type: bandit|median_stopping|truncation_selection, ...}; empty lets every trial run on.
    early_termination: dict[str, Any] | None = field(default_factory=dict)
    # Whether a trial that fails ends the sweep; Azure ML has no such thing.
    fail_fast: bool = False
    # Whether a sweep of which a trial has failed is Failed at its end; Azure ML decides itself.
    fail_on_failed_trials: bool = False


@dataclass
class RegistrationConfig:
    """The model asset that `register` makes."""

    # Registered model; versions count up.
    name: str = MISSING
    # Text shown with the model.
    description: str = ""
    # custom_model, mlflow_model or triton_model.
    type: str = "custom_model"
    # What of the job's files becomes the model.
    path: str = "outputs/model"
