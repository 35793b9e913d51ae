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
    # default, interactive, device_code, cli, managed_identity or environment.
    credential: Credential = Credential.default
    # A sovereign cloud; null means the cloud of the environment variable ARM_CLOUD_METADATA_URL. If
    # the variable is not set, null means the public cloud.
    cloud: Cloud | None = None


@dataclass
class ComputeConfig:
    """The compute target of jobs."""

    # local, amlcompute or serverless.
    type: ComputeType = MISSING
    # 3 to 24 letters, digits and hyphens.
    name: str = MISSING
    # VM size; null or an empty text lets Azure choose the size.
    size: str | None = None
    # Minimum number of nodes. Azure keeps these nodes even when they are idle.
    min_instances: int = 0
    # Maximum number of nodes.
    max_instances: int = 1
    # Seconds until Azure releases an idle node.
    idle_time_before_scale_down: int = 120
    # dedicated, or low_priority: cheaper nodes that Azure may evict.
    tier: ComputeTier = ComputeTier.dedicated
    # true: stage=cleanup also deletes the compute target.
    delete_on_cleanup: bool = False
    # Number of epochs after which the local workspace simulates an eviction of the job. The job is
    # then restarted, and is not evicted again. null means no eviction.
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
    # true: stage=cleanup also deletes the Python environments on this machine that no job and no
    # endpoint uses. This key must be false in the environment of a deployment.
    delete_on_cleanup: bool = False

    @property
    def names_packages(self) -> bool:
        """Whether the environment names packages. An image without a conda file names no packages.

        A job on this machine then runs in the environment of mnist-exp.
        """
        return self.type is EnvType.curated or (
            self.type is EnvType.conda and self.conda_file is not None
        )


@dataclass
class DataConfig:
    """The settings for the source of the MNIST digits."""

    # sample, mnist or folder.
    type: DataType = MISSING
    # For type folder: folder with the four IDX files. Subfolders are also searched.
    path: str | None = None
    # For type mnist: address of a mirror to try before the well-known mirrors.
    url: str | None = None
    # Address that jobs on Azure mount; null uploads the local files.
    azure_path: str | None = None
    # Folder for downloaded and generated files, and for the Python environments of jobs; null means
    # the user's cache folder.
    cache_dir: str | None = None
