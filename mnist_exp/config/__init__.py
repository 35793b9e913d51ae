"""The schema of the configuration: plain dataclasses, no Hydra.

Hydra composes `conf/` against these types (`mnist_exp.cli.schemas` registers them) and
`OmegaConf.to_object` turns the result into them once. The dataclasses stay mutable because a
frozen one makes its config node read-only; nobody changes them after composition.
Meaning is checked in `mnist_exp.checks`, not here.

The groups stand in `resources`, `jobs` and `endpoints`, and the words that they take in `words`.
All are imported from here, so that nobody has to know which group stands where.
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
    # Show what would be done, as Azure ML's YAML, and do nothing.
    dry_run: bool = False
    # false submits a job to Azure and does not follow it.
    wait: bool = True
    # What to go on from: `register run=<sweep>`, `deploy run=<register>`, the latest by default; or
    # what to go on with: `train run=<name>`, `sweep run=<name>`, by default a new one.
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
