"""The workspace, compute, env and data groups."""

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
    """The workspace in which the experiment runs."""

    # local or azure.
    type: WorkspaceType = MISSING
    # Azure subscription. Only the azure workspace uses this key and the keys below.
    subscription_id: str | None = None
    # Azure resource group.
    resource_group: str | None = None
    # Azure ML workspace.
    workspace_name: str | None = None
    # Path of Azure ML's config.json; null searches the current folder and its parents.
    config_file: str | None = None
    # default, interactive, cli, managed_identity or environment.
    credential: Credential = Credential.default
    # A sovereign cloud; null means the cloud of ARM_CLOUD_METADATA_URL, or else the public cloud.
    cloud: Cloud | None = None


@dataclass
class ComputeConfig:
    """The compute target of jobs."""

    # local, amlcompute or serverless.
    type: ComputeType = MISSING
    # 3 to 24 letters, digits and hyphens.
    name: str = MISSING
    # VM size; null lets Azure choose.
    size: str | None = None
    # Minimum number of nodes, which Azure keeps even if the nodes are idle.
    min_instances: int = 0
    # Maximum number of nodes.
    max_instances: int = 1
    # Seconds until Azure releases an idle node.
    idle_time_before_scale_down: int = 120
    # dedicated, or low_priority: cheaper nodes that Azure may evict.
    tier: ComputeTier = ComputeTier.dedicated
    # true: stage=cleanup also deletes the compute target.
    delete_on_cleanup: bool = False
    # Eviction drill on the local workspace: the first attempt is evicted after this number of
    # epochs; null means no eviction.
    evict_after_epochs: int | None = None


@dataclass
class EnvConfig:
    """The software of a job or a deployment."""

    # curated, conda or local.
    type: EnvType = MISSING
    # Name of a curated environment, `NAME@latest` or `azureml://registries/...`.
    name: str | None = None
    # Docker image of a conda environment.
    image: str | None = None
    # Conda file with packages that are added to the image; relative to the YAML file that sets this
    # key.
    conda_file: str | None = None


@dataclass
class DataConfig:
    """The digits."""

    # sample, mnist or folder.
    type: DataType = MISSING
    # Folder with the four IDX files, searched recursively (type folder).
    path: str | None = None
    # Address of a mirror to try before the well-known mirrors (type mnist).
    url: str | None = None
    # Address that jobs on Azure mount; null uploads the local files.
    azure_path: str | None = None
    # Folder of downloaded and generated files; null means the user's cache folder.
    cache_dir: str | None = None
