"""The azure workspace: Azure Machine Learning through azure-ai-ml."""

from mnist_exp.config import WorkspaceConfig
from mnist_exp.errors import UnsupportedError
from mnist_exp.workspaces.base import Workspace

__all__ = ["open_azure_workspace"]


def open_azure_workspace(config: WorkspaceConfig) -> Workspace:
    """Refuse: this version translates nothing yet.

    Raises:
        UnsupportedError: Always.
    """
    raise UnsupportedError(
        f"workspace: must be local in this version, got {config.type.value}, which is not built "
        "yet; the same experiment runs on this machine with workspace=local"
    )
