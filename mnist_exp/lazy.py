"""Late imports of libraries that take long to load and that only some commands need.

For example, `mnist-exp --help` and `mnist-exp --cfg job` do not import azure, mlflow, numpy or
matplotlib.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from mnist_exp.config import ExperimentConfig, WorkspaceType
from mnist_exp.errors import RefusedError
from mnist_exp.workspaces.base import Workspace

# The functions of this module contain imports, so that the libraries are imported late.
# ruff: noqa: PLC0415


def open_workspace(
    config: ExperimentConfig, outputs: Path, message: Callable[[str], None]
) -> Workspace:
    """Return the workspace that the config names. This function writes no files.

    Args:
        config: The config.
        outputs: The outputs folder.
        message: Function that prints a line, for example about a long wait.

    Raises:
        RefusedError: Azure's packages are not installed.
    """
    if config.workspace.type is WorkspaceType.azure:
        show_plugin()
        try:
            from mnist_exp.workspaces.azure import open_azure_workspace

            return open_azure_workspace(config.workspace, outputs, message)
        except ModuleNotFoundError as error:
            raise RefusedError(
                f"workspace: azure needs the package {error.name}, which is not installed; "
                'run pip install "mnist-exp[azure]"'
            ) from error
    _hide_plugin()
    from mnist_exp.workspaces.local.workspace import LocalWorkspace

    return LocalWorkspace(outputs, config.data.cache_dir)


#: MLflow's plugin for Azure. MLflow always imports an installed plugin. This plugin imports Azure's
#: SDK, which takes long to load.
_PLUGIN = "azureml.mlflow"


def _hide_plugin() -> None:
    """Prevent MLflow from importing its plugin for Azure. A local store never needs the plugin."""
    # If sys.modules contains None for a module, an import of the module raises
    # ModuleNotFoundError:
    # https://docs.python.org/3/reference/import.html#the-module-cache
    sys.modules.setdefault(_PLUGIN, None)  # type: ignore[arg-type]
    warnings.filterwarnings("ignore", "Failure attempting to register", UserWarning)


def show_plugin() -> None:
    """Undo `_hide_plugin`, which an earlier command in this process may have called."""
    if sys.modules.get(_PLUGIN, sys) is None:
        del sys.modules[_PLUGIN]


def figures() -> ModuleType:
    """Return `mnist_exp.report.figures`, which imports matplotlib."""
    from mnist_exp.report import figures as module

    return module


def insights() -> ModuleType:
    """Return `mnist_exp.report.insights`, which imports optuna."""
    from mnist_exp.report import insights as module

    return module


def report_page() -> ModuleType:
    """Return `mnist_exp.report.page`, which only jobs and `stage=report` need."""
    from mnist_exp.report import page as module

    return module


def drawing() -> ModuleType:
    """Return `mnist_exp.drawing`, which imports uvicorn and starlette."""
    from mnist_exp import drawing as module

    return module


def datasets() -> ModuleType:
    """Return `mnist_exp.datasets`, which imports numpy and pooch."""
    from mnist_exp import datasets as module

    return module
