"""The schema of the configuration: plain dataclasses, no Hydra.

Hydra composes `conf/` against these types (`mnist_exp.app.schemas` registers them) and
`OmegaConf.to_object` turns the result into them once. The dataclasses stay mutable because a
frozen one makes its config node read-only; nobody changes them after composition.
Meaning is checked in `mnist_exp.checks`, not here.
"""

from dataclasses import dataclass, field
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


@dataclass
class WorkspaceConfig:
    """Which workspace acts on the experiment."""

    # local or azure.
    type: WorkspaceType = MISSING
    # Azure subscription; this and what follows is read by the azure workspace alone.
    subscription_id: str | None = None
    # Azure resource group.
    resource_group: str | None = None
    # Azure ML workspace.
    workspace_name: str | None = None
    # Azure ML's config.json, looked for here and in the parent folders.
    config_file: str | None = None
    # default, interactive, cli, managed_identity or environment.
    credential: Credential = Credential.default
    # A sovereign cloud; None is what the environment says, or the public one.
    cloud: Cloud | None = None


@dataclass
class ComputeConfig:
    """What jobs run on."""

    # local, amlcompute or serverless.
    type: ComputeType = MISSING
    # 3 to 24 letters, digits and hyphens.
    name: str = MISSING
    # VM size; None for local and for the service's choice.
    size: str | None = None
    # Nodes kept when idle, and at most.
    min_instances: int = 0
    # Nodes at most.
    max_instances: int = 1
    # Seconds a node stays up after its last job.
    idle_time_before_scale_down: int = 120
    # dedicated, or low_priority: cheaper nodes that Azure may take back.
    tier: ComputeTier = ComputeTier.dedicated
    # cleanup deletes the target too.
    delete_on_cleanup: bool = False
    # A drill on the local workspace: take the node of the first attempt away after so many epochs.
    evict_after_epochs: int | None = None


@dataclass
class EnvConfig:
    """The software of a job or a deployment."""

    # curated, conda or local.
    type: EnvType = MISSING
    # Curated environment, `NAME@latest` or `azureml://registries/...`.
    name: str | None = None
    # Docker image and conda file of a custom environment.
    image: str | None = None
    # Conda file on top of the image, relative to the YAML that names it.
    conda_file: str | None = None


@dataclass
class DataConfig:
    """The digits."""

    # sample, mnist or folder.
    type: DataType = MISSING
    # Folder with the four IDX files, searched recursively (type folder).
    path: str | None = None
    # Base address of a mirror that is asked before the well-known ones (type mnist).
    url: str | None = None
    # What jobs on Azure mount instead; None uploads the local files.
    azure_path: str | None = None
    # Where downloaded and generated files are kept; None is the user's cache folder.
    cache_dir: str | None = None


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


@dataclass
class RequestSettingsConfig:
    """Azure ML's request settings of a deployment."""

    # Milliseconds until an unanswered request gets 408; at most 180000.
    request_timeout_ms: int = 5000
    # Requests at once, of each instance.
    max_concurrent_requests_per_instance: int = 1


@dataclass
class ProbeConfig:
    """Azure ML's probe of a container."""

    # Seconds before the first look; a local deployment that is ready earlier is not held up.
    initial_delay: int = 10
    # Seconds between two looks.
    period: int = 10
    # Seconds that a sign of life may take.
    timeout: int = 2
    # Signs in a row until it counts as well.
    success_threshold: int = 1
    # Missing signs in a row until it is given up.
    failure_threshold: int = 30


@dataclass
class DeploymentConfig:
    """One deployment behind an endpoint."""

    # 3 to 32 letters, digits and hyphens.
    name: str = MISSING
    # Folder with the scoring script, relative to the YAML that names it.
    code: str | None = None
    # Python file in `code` with init() and run(); null for a model of type mlflow_model.
    scoring_script: str | None = None
    environment: EnvConfig = field(default_factory=EnvConfig)
    # Name -> text, for the scoring script.
    environment_variables: dict[str, str] = field(default_factory=dict)
    # VM size on Azure.
    instance_type: str = MISSING
    # Instances, 1-50.
    instance_count: int = 1
    request_settings: RequestSettingsConfig = field(default_factory=RequestSettingsConfig)
    # Replaces a worker that gives no sign of life any more.
    liveness_probe: ProbeConfig = field(default_factory=ProbeConfig)
    # How long init() may take: initial_delay + period * failure_threshold.
    readiness_probe: ProbeConfig = field(default_factory=ProbeConfig)


@dataclass
class RolloutConfig:
    """How a new deployment takes over the traffic of the one before it."""

    # Percents of the traffic, one after the other, the last 100; empty: no rollout.
    steps: list[int] = field(default_factory=list)
    # Percent of the traffic that is copied to it before it gets any; at most 50.
    mirror: int = 0
    # Requests that are sent to old and new at each step, besides what others send.
    samples: int = 20
    # Seconds that each step is watched at least.
    seconds: float = 1.0
    # It is rolled back when its share of failed requests is higher by more than this.
    failure_margin: float = 0.01
    # It is rolled back when its p95 is slower by more milliseconds than this.
    latency_margin_ms: float = 50.0


@dataclass
class EndpointConfig:
    """A managed online endpoint."""

    # None: generated when it is created (`name_prefix` and 8 hex digits) and remembered.
    name: str | None = None
    # Up to 24 letters, digits and hyphens; begins with a letter.
    name_prefix: str = MISSING
    # Text shown with the endpoint.
    description: str = ""
    # key: callers send one of two keys. aml_token: a token that expires.
    auth_mode: AuthMode = AuthMode.key
    # Seconds that a token is good for (aml_token on this machine).
    token_lifetime: int = 3600
    # primary or secondary: deploy makes that key anew and does nothing else.
    regenerate_key: KeyName | None = None
    # Seconds after which the endpoint deletes itself, on this machine; None: never.
    ttl: int | None = None
    deployment: DeploymentConfig = field(default_factory=DeploymentConfig)
    # Deploy to the endpoint that was deployed last instead of making a new one.
    reuse: bool = False
    # Deployment name -> percent, a sum of 0 or 100; empty: as it is, all to the first deployment.
    traffic: dict[str, int] = field(default_factory=dict)
    # Deployment name -> percent of the requests that it gets a copy of: one name, at most 50.
    mirror_traffic: dict[str, int] = field(default_factory=dict)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    # Deployment that `invoke` asks, past the traffic; None leaves that to the traffic.
    invoke_deployment: str | None = None
    # A request body of one's own instead of sample digits.
    request_file: str | None = None
    # Sample digits that `invoke` sends.
    samples: int = 30
    # Port on 127.0.0.1 of a new local endpoint; None takes a free one.
    port: int | None = None
    # Lines of each deployment's log that stage=logs shows.
    log_lines: int = 50


@dataclass
class ExperimentConfig:
    """The whole experiment: `conf/config.yaml` composed."""

    # compute, train, sweep, register, deploy, invoke, status, logs, cleanup, doctor or all.
    stage: Stage = MISSING
    # Show what would be done, as Azure ML's YAML, and do nothing.
    dry_run: bool = False
    # false submits a job to Azure and does not follow it.
    wait: bool = True
    # A record to go on from: `register run=<sweep>`, `deploy run=<register>`; None is the latest.
    run: str | None = None
    # last: go on with the latest sweep that has not ended, as `run=` does with the one it names.
    resume: str | None = None
    # Seed of the data split, of the weights and of the order of images.
    seed: int = MISSING
    # Where everything that a run leaves is kept, relative to the current folder.
    outputs_dir: str = MISSING
    workspace: WorkspaceConfig = field(default_factory=WorkspaceConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    env: EnvConfig = field(default_factory=EnvConfig)
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    job: JobConfig = field(default_factory=JobConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    registration: RegistrationConfig = field(default_factory=RegistrationConfig)
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
