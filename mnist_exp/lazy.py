"""Late imports: what only some commands need, and is slow to import.

`mnist-exp --help` and `--cfg job` import none of azure, mlflow, numpy and matplotlib.
"""

import sys
import warnings
from pathlib import Path
from types import ModuleType

from mnist_exp.config import ExperimentConfig, WorkspaceType
from mnist_exp.errors import UnsupportedError
from mnist_exp.workspaces.base import Workspace

# Importing inside functions is what this module is for.
# ruff: noqa: PLC0415


def open_workspace(config: ExperimentConfig, outputs: Path) -> Workspace:
    """Return the workspace that the config chooses; nothing is written yet.

    Raises:
        UnsupportedError: Azure's packages are not installed.
    """
    if config.workspace.type is WorkspaceType.azure:
        _show_plugin()
        try:
            from mnist_exp.workspaces.azure import open_azure_workspace
        except ModuleNotFoundError as error:
            raise UnsupportedError(
                f"workspace: azure needs the package {error.name}, which is not installed; "
                'pip install "mnist-exp[azure]"'
            ) from error
        return open_azure_workspace(config.workspace, outputs)
    _hide_plugin()
    from mnist_exp.workspaces.local.workspace import LocalWorkspace

    return LocalWorkspace(outputs)


#: What MLflow loads whenever it is imported where it is installed, and the package azure with it.
_PLUGIN = "azureml.mlflow"


def _hide_plugin() -> None:
    """Have MLflow go without its plugin for Azure, which a store on this machine never needs."""
    # None in sys.modules makes an import raise ModuleNotFoundError:
    # https://docs.python.org/3/reference/import.html#the-module-cache
    sys.modules.setdefault(_PLUGIN, None)  # type: ignore[arg-type]
    warnings.filterwarnings("ignore", "Failure attempting to register", UserWarning)


def _show_plugin() -> None:
    """Undo that: another variant of the same command may have run on this machine."""
    if sys.modules.get(_PLUGIN, sys) is None:
        del sys.modules[_PLUGIN]


def figures() -> ModuleType:
    """Return `mnist_exp.report.figures`: matplotlib."""
    from mnist_exp.report import figures as module

    return module


def insights() -> ModuleType:
    """Return `mnist_exp.report.insights`: optuna."""
    from mnist_exp.report import insights as module

    return module


def datasets() -> ModuleType:
    """Return `mnist_exp.datasets`: numpy and pooch."""
    from mnist_exp import datasets as module

    return module
