"""The azure workspace: Azure Machine Learning through azure-ai-ml."""

from collections.abc import Callable
from pathlib import Path

from mnist_exp.config import WorkspaceConfig
from mnist_exp.workspaces.azure.sdk_output import quiet
from mnist_exp.workspaces.base import Workspace

__all__ = ["open_azure_workspace"]


def open_azure_workspace(
    config: WorkspaceConfig, outputs: Path, message: Callable[[str], None]
) -> Workspace:
    """Return the workspace that the config names. This function sends no request to the workspace.

    Args:
        config: The names that identify the workspace, and the kind of credential.
        outputs: The outputs folder.
        message: Function that prints a line, for example about a long wait.

    Raises:
        ConfigError: The subscription, the resource group or the workspace name is missing.
        ModuleNotFoundError: A package of Azure is not installed.
    """
    # The SDK sends a request when it is imported, and prints a warning if the request fails.
    with quiet():
        from mnist_exp.workspaces.azure.retries import RetryPolicy  # noqa: PLC0415
        from mnist_exp.workspaces.azure.workspace import (  # noqa: PLC0415
            AzureOptions,
            AzureWorkspace,
        )
    return AzureWorkspace(config, outputs, AzureOptions(retries=RetryPolicy(message=message)))
