"""What an experiment needs before anything runs: a workspace, a compute, software, the digits.

Jobs and endpoints share these groups; each is an option of its own in `conf/`.
"""

from dataclasses import dataclass

from mnist_exp.config.enums import (
    MISSING,
    Cloud,
    ComputeTier,
    ComputeType,
    Credential,
    DataType,
    EnvType,
    WorkspaceType,
)


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
