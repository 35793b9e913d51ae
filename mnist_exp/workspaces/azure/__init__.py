"""The azure workspace: Azure Machine Learning through azure-ai-ml."""

from pathlib import Path

from mnist_exp.config import WorkspaceConfig
from mnist_exp.workspaces.azure.workspace import AzureWorkspace
from mnist_exp.workspaces.base import Workspace

__all__ = ["open_azure_workspace"]


def open_azure_workspace(config: WorkspaceConfig, outputs: Path) -> Workspace:
    """Return the workspace that the config names. This function sends no request.

    Raises:
        ConfigError: The subscription, the resource group or the workspace name is missing.
    """
    return AzureWorkspace(config, outputs)
