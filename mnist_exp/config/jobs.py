"""The model, job, sweep and registration groups."""

from dataclasses import dataclass, field
from typing import Any

from mnist_exp.config.enums import (
    MISSING,
    Architecture,
    ArgumentStyle,
    DistributionType,
    Identity,
    Optimizer,
)


@dataclass
class ModelConfig:
    """The network and the settings of its training."""

    # Neurons of the first dense layer.
    first_layer_neurons: int = MISSING
    # Neurons of the second dense layer.
    second_layer_neurons: int = MISSING
    # Images per training step.
    batch_size: int = MISSING
    # Learning rate of the optimizer; must be above 0.
    learning_rate: float = MISSING
    # Passes over the training images.
    epochs: int = MISSING
    # dnn: two dense layers. cnn: convolutional layers; the numbers of neurons have no effect.
    architecture: Architecture = Architecture.dnn
    # sgd, momentum (SGD with momentum 0.9) or adam.
    optimizer: Optimizer = Optimizer.sgd


@dataclass
class DistributionConfig:
    """The distribution of a training job over several processes."""

    # null runs one process. tensorflow uses MultiWorkerMirroredStrategy with TF_CONFIG. The gRPC
    # server of TensorFlow then listens on every address of the machine.
    type: DistributionType | None = None
    # Number of processes. On Azure, each process has its own node.
    worker_count: int = 1
    # Must be 0, because the results of a run with parameter servers are not reproducible.
    parameter_server_count: int = 0


@dataclass
class JobConfig:
    """The training job."""

    # Name of the experiment that contains the runs in the tracking store (MLflow).
    experiment_name: str = MISSING
    # Text shown beside the job's name; null shows the job's name.
    display_name: str | None = None
    # Text shown with the job.
    description: str = ""
    # Name -> text: tags of the job.
    tags: dict[str, str] = field(default_factory=dict)
    # Folder that is copied to the compute target, relative to the YAML file that sets this key.
    code: str | None = None
    # Python script in `code`. The script gets each input and output as an argument.
    script: str | None = None
    # Spelling of the script's arguments. dashes: `--learning-rate 0.1`. underscores:
    # `--learning_rate 0.1`. key_value: `learning_rate=0.1`, for a script that uses Hydra.
    argument_style: ArgumentStyle = ArgumentStyle.dashes
    # Shell command instead of a script. The command may contain `{{inputs.x}}`,
    # `{{outputs.x}}`, and optional parts such as `$[[--x {{inputs.x}}]]`.
    command: str | None = None
    # Name -> literal, or {type: uri_folder|uri_file|mltable|mlflow_model|custom_model|triton_model,
    # path, mode}.
    inputs: dict[str, Any] = field(default_factory=dict)
    # Name -> {type, mode, path, name}. Outputs have the same types as inputs. On Azure, `path` is
    # the URI of the output, and `name` is the name of the asset that the output becomes. On this
    # machine, an output is registered as a model version if `name` is set and `type` is a model
    # type. A sweep registers the output of its best trial.
    outputs: dict[str, Any] = field(default_factory=dict)
    # Name -> value. The value is passed on unchanged. A job on Azure inherits no variables from the
    # shell. A local job inherits only the few variables that programs need, e.g. HOME and proxies.
    environment_variables: dict[str, str] = field(default_factory=dict)
    # Identity that reads data on Azure: user or managed; null means Azure's default.
    identity: Identity | None = None
    distribution: DistributionConfig = field(default_factory=DistributionConfig)
    # Maximum duration in seconds; null means no limit.
    timeout: int | None = None
    # The metric that the progress display and the figure of a single job show. If the script does
    # not log this metric, the summary has a warning. null means that the script logs no metric.
    primary_metric: str | None = MISSING


@dataclass
class ObjectiveConfig:
    """The metric that a sweep optimizes."""

    # The metric's name, exactly as the script logs it.
    primary_metric: str = MISSING
    # maximize or minimize.
    goal: str = MISSING


@dataclass
class LimitsConfig:
    """The limits of a sweep."""

    # Number of trials, 1 to 1000.
    max_total_trials: int = MISSING
    # Maximum number of concurrent trials; null means max_total_trials.
    max_concurrent_trials: int | None = None
    # Maximum duration of the sweep in seconds; null means 60 days, Azure ML's default.
    timeout: int | None = None
    # Maximum duration of each trial in seconds; null means no limit.
    trial_timeout: int | None = None


@dataclass
class SweepConfig:
    """A hyperparameter search in Azure ML's terms."""

    # {type: random|grid|bayesian, seed, rule: random|sobol, logbase}, or only the type.
    sampling_algorithm: Any = field(default_factory=dict)
    # Input name -> {type: choice|uniform|loguniform|..., ...}. Hydra accepts any value for this
    # key. `mnist_exp.sweeps` checks the value.
    search_space: dict[str, Any] = field(default_factory=dict)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    # {type: bandit|median_stopping|truncation_selection, ...}; with an empty mapping, no trial is
    # cut (ended early).
    early_termination: dict[str, Any] | None = field(default_factory=dict)
    # Whether the first failed trial ends the sweep; Azure ML has no such setting.
    fail_fast: bool = False
    # Whether the sweep ends as Failed if a trial failed; Azure ML applies its own rule.
    fail_on_failed_trials: bool = False


@dataclass
class RegistrationConfig:
    """The model asset that stage=register creates."""

    # Name of the registered model; each registration adds a version.
    name: str = MISSING
    # Text shown with the model.
    description: str = ""
    # custom_model, mlflow_model or triton_model.
    type: str = "custom_model"
    # File or folder that becomes the model, relative to the job's files; or the name or id of a
    # model that the script logged with MLflow. null means outputs/model. If a local job did not
    # write outputs/model, null means the model that the script logged with MLflow. All models that
    # the script logged must then have the same name.
    path: str | None = "outputs/model"
