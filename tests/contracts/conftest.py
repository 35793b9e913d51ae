"""Both workspaces, each with a bench of its own, behind one name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.config import WorkspaceConfig, WorkspaceType
from mnist_exp.workspaces.azure.workspace import AzureWorkspace
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.azure_emulator.engines import LocalEngine
from tests.contracts.experiment import Place
from tests.workspaces.azure.bench import quick_options
from tests.workspaces.azure.conftest import Make, digits, no_drawing, start

__all__ = ["digits", "no_drawing", "start"]


@pytest.fixture(params=["local", "azure"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place to run experiments: this machine, or Azure as far as the emulator is Azure."""
    if request.param == "local":
        yield Place("local", tmp_path, lambda: LocalWorkspace(tmp_path / "outputs"))
        return
    make: Make = request.getfixturevalue("start")
    emulator = make(LocalEngine(tmp_path / "engine"))
    parts = emulator.ws.split("/")
    config = WorkspaceConfig(WorkspaceType.azure, parts[2], parts[4], parts[-1])
    yield Place(
        "azure",
        tmp_path,
        lambda: AzureWorkspace(config, tmp_path / "outputs", quick_options()),
    )
