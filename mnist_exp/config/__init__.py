"""The schema of the configuration: plain dataclasses, no Hydra.

Hydra composes `conf/` against these types, which `mnist_exp.cli.compose` registers and fills in
once. The dataclasses are mutable because a frozen one makes its config node read-only. No code
changes them after composition. `mnist_exp.checks` checks the values.

The config groups stand in `resources`, `jobs` and `endpoints`, and their enums in `enums`. Import
all of them from here.
"""

from dataclasses import dataclass, field

from mnist_exp.config.endpoints import (
    DeploymentConfig,
    EndpointConfig,
    ProbeConfig,
    RequestSettingsConfig,
    RolloutConfig,
)
from mnist_exp.config.enums import (
    MISSING,
    Architecture,
    AuthMode,
    Cloud,
    ComputeTier,
    ComputeType,
    Credential,
    DataType,
    DistributionType,
    EnvType,
    Identity,
    KeyName,
    Optimizer,
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

__all__ = [
    "Architecture",
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
    "Identity",
    "JobConfig",
    "KeyName",
    "LimitsConfig",
    "ModelConfig",
    "ObjectiveConfig",
    "Optimizer",
    "ProbeConfig",
    "RegistrationConfig",
    "RequestSettingsConfig",
    "RolloutConfig",
    "Stage",
    "SweepConfig",
    "WorkspaceConfig",
    "WorkspaceType",
]


@dataclass
class ExperimentConfig:
    """The whole experiment: `conf/config.yaml` composed."""

    # compute, train, sweep, register, deploy, invoke, status, logs, cleanup, doctor or all.
    stage: Stage = MISSING
    # true prints what the command would create, as Azure ML's YAML, and creates nothing.
    dry_run: bool = False
    # false submits a job to Azure and does not wait for its end.
    wait: bool = True
    # Name of an earlier run. `register run=<sweep>` and `deploy run=<model>` use its result, by
    # default the latest. `train run=<name>` and `sweep run=<name>` resume it, by default none.
    run: str | None = None
    # last resumes the latest sweep that has not ended.
    resume: str | None = None
    # Seed of the weights, the data split and the order of images.
    seed: int = MISSING
    # Folder of everything that a run saves, relative to the current folder.
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
