"""The schema of the configuration: plain dataclasses that do not depend on Hydra.

`mnist_exp.cli.compose` registers these types with Hydra. Hydra composes `conf/` and checks the
types of the values. `mnist_exp.checks` checks all other rules. The dataclasses are not frozen,
because Hydra cannot apply overrides to the config of a frozen dataclass. No code changes a config
after Hydra has composed the config.

`resources`, `jobs` and `endpoints` define the config groups. `runs` defines `runs.*` and `prune.*`.
`enums` defines all enums. Import all these names from this package.
"""

from dataclasses import dataclass, field
from typing import Any

from mnist_exp.config.changes import COMMAND_KEYS, changes
from mnist_exp.config.endpoints import (
    DeploymentConfig,
    EndpointConfig,
    PageConfig,
    ProbeConfig,
    RequestSettingsConfig,
    RolloutConfig,
)
from mnist_exp.config.enums import (
    MISSING,
    Architecture,
    ArgumentStyle,
    AuthMode,
    Cloud,
    ComputeTier,
    ComputeType,
    Credential,
    DataType,
    DistributionType,
    EnvType,
    FigureFormat,
    Identity,
    KeyName,
    ModelType,
    Optimizer,
    OutputFormat,
    RunOrder,
    Stage,
    WorkspaceType,
)
from mnist_exp.config.jobs import (
    DistributionConfig,
    JobConfig,
    LimitsConfig,
    ModelConfig,
    ObjectiveConfig,
    RegistrationConfig,
    SweepConfig,
)
from mnist_exp.config.resources import ComputeConfig, DataConfig, EnvConfig, WorkspaceConfig
from mnist_exp.config.runs import PruneConfig, RunsConfig

__all__ = [
    "COMMAND_KEYS",
    "Architecture",
    "ArgumentStyle",
    "AuthMode",
    "Cloud",
    "ComputeConfig",
    "ComputeTier",
    "ComputeType",
    "Credential",
    "DataConfig",
    "DataType",
    "DeploymentConfig",
    "DistributionConfig",
    "DistributionType",
    "EndpointConfig",
    "EnvConfig",
    "EnvType",
    "ExperimentConfig",
    "FigureFormat",
    "Identity",
    "JobConfig",
    "KeyName",
    "LimitsConfig",
    "ModelConfig",
    "ModelType",
    "ObjectiveConfig",
    "Optimizer",
    "OutputFormat",
    "PageConfig",
    "ProbeConfig",
    "PruneConfig",
    "RegistrationConfig",
    "RequestSettingsConfig",
    "RolloutConfig",
    "RunOrder",
    "RunsConfig",
    "Stage",
    "SweepConfig",
    "WorkspaceConfig",
    "WorkspaceType",
    "changes",
]


@dataclass
class ExperimentConfig:
    """The whole config of an experiment, composed from `conf/config.yaml`."""

    # compute, run, import, train, sweep, register, deploy, invoke, page, status, logs, cancel,
    # runs, compare, report, prune, cleanup, doctor or all.
    stage: Stage = MISSING
    # true prints the objects that the command would create, as Azure ML's YAML. The command then
    # creates no objects.
    dry_run: bool = False
    # false lets the job or the sweep continue after the command has ended: on this machine in a
    # background process, or on Azure.
    wait: bool = True
    # Name of an earlier run. stage=register and stage=deploy use the result of this run; null means
    # the latest run. stage=train and stage=sweep resume this run, or wait for it if it is running;
    # null starts a new run. stage=status, stage=logs and stage=cancel inspect or cancel this job.
    # stage=compare takes a list of names. OmegaConf has no type for a text or a list, so the type
    # is Any.
    run: Any = None
    # `last` resumes the latest unfinished sweep; null starts a new sweep unless `run` is set.
    resume: str | None = None
    # Maximum number of training runs of a multirun that run at the same time on this machine; null
    # means the number of cores.
    max_concurrent_variants: int | None = None
    # Azure ML's YAML file of a command job or a sweep, which replaces the config groups job, sweep,
    # env and compute; relative to the current folder. stage=run, stage=train and stage=sweep use
    # this key.
    file: str | None = None
    # Nested mappings: values that replace the values of the same keys in `file`.
    set: dict[str, Any] = field(default_factory=dict)
    # Folder in which stage=import writes the config groups that mean the same as `file`.
    import_dir: str = "mine"
    # Seed of the weights, the data split and the order of images.
    seed: int = MISSING
    # Folder for all files that a run saves, relative to the current folder.
    outputs_dir: str = MISSING
    # Figures are always saved as PNG. svg or pdf also saves each figure in that format.
    figure_format: FigureFormat = FigureFormat.png
    workspace: WorkspaceConfig = field(default_factory=WorkspaceConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    env: EnvConfig = field(default_factory=EnvConfig)
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    job: JobConfig = field(default_factory=JobConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    registration: RegistrationConfig = field(default_factory=RegistrationConfig)
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    runs: RunsConfig = field(default_factory=RunsConfig)
    prune: PruneConfig = field(default_factory=PruneConfig)
    page: PageConfig = field(default_factory=PageConfig)
