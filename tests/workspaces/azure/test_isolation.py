"""Packages that a local run must not load, and secrets that no error may show."""

import os
import subprocess
import sys

from azure.core.exceptions import HttpResponseError

from mnist_exp.workspaces.azure.network import error_text

SCRIPT = """
import pathlib, sys
from mnist_exp.lazy import open_workspace
from mnist_exp.config import ExperimentConfig, WorkspaceConfig, WorkspaceType
config = ExperimentConfig(workspace=WorkspaceConfig(WorkspaceType.local))
open_workspace(config, pathlib.Path("nowhere"), print)
print([name for name in sys.modules if name.startswith(("azure.", "mnist_exp.workspaces.azure"))])
"""


def test_the_local_workspace_loads_no_sdk() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_mlflow_reports_no_use_of_either_workspace() -> None:
    for name in ("azure.workspace", "local.workspace"):
        code = (
            f"import mnist_exp.workspaces.{name}\n"
            "from mlflow.telemetry import get_telemetry_client\n"
            "print(get_telemetry_client())"
        )
        # MLflow reports nothing if these variables show a test or a build server.
        usual = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=usual
        )
        assert done.stdout.strip() == "None"


def test_signatures_and_tokens_are_hidden() -> None:
    error = HttpResponseError("PUT https://a/b?sv=1&sig=abc%3D failed, Bearer eyJ0.eyJ1.x; key=k")
    text = error_text(error)
    assert "abc" not in text
    assert "eyJ" not in text
    assert "key=k" not in text
