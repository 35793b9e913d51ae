"""A local workspace with a copy of an empty MLflow store. Creating a store would take a second."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mnist_exp.workspaces.local.tracking.database import STORE_NAME
from mnist_exp.workspaces.local.tracking.store import Tracking
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.files import write_file
from tests.support.local_jobs import LocalJobs
from tests.support.small_jobs import LOGGER


@pytest.fixture
def outputs(tmp_path: Path, empty_store: Path) -> Path:
    """An outputs folder with a space and a quote in its name."""
    folder = tmp_path / "it's a:b 5% #c? ä"
    folder.mkdir()
    shutil.copyfile(empty_store, folder / STORE_NAME)
    return folder


@pytest.fixture
def tracking(outputs: Path) -> Tracking:
    """The MLflow store in `outputs`."""
    return Tracking(outputs)


@pytest.fixture
def workspace(outputs: Path) -> LocalWorkspace:
    """A local workspace."""
    return LocalWorkspace(outputs)


@pytest.fixture
def jobs(workspace: LocalWorkspace, outputs: Path, tracking: Tracking) -> LocalJobs:
    """Jobs of the workspace."""
    return LocalJobs(workspace, outputs, tracking.uri)


@pytest.fixture
def code(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that creates a code folder with a script that can log metrics."""

    def make(script: str, **files: str) -> Path:
        folder = tmp_path / "my code"
        folder.mkdir()
        contents = {"script.py": script, "logger.py": LOGGER, **files}
        for name, text in contents.items():
            write_file(folder / name, text)
        return folder

    return make
