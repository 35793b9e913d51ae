"""Both workspaces, each with a bench of its own, behind one name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.config import WorkspaceConfig, WorkspaceType
from mnist_exp.workspaces.azure.workspace import AzureWorkspace
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.azure_emulator.certificates import Certificates
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.engines import LocalEngine
from tests.contracts.experiment import Place
from tests.workspaces.azure.bench import quick_options
from tests.workspaces.azure.conftest import taken_for_azure


@pytest.fixture(scope="module", params=["local", "azure"])
def place(
    request: pytest.FixtureRequest,
    certificates: Certificates,
    digits: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    """A place to run experiments: this machine, or Azure as far as the emulator is Azure.

    All contracts share it, as commands share a workspace; each has names of its own.
    """
    folder = tmp_path_factory.mktemp("place")
    if request.param == "local":
        yield Place("local", folder, lambda: LocalWorkspace(folder / "outputs"))
        return
    emulator = Emulator(certificates, LocalEngine(folder / "engine"), folder / "emulator")
    with pytest.MonkeyPatch.context() as patch:
        taken_for_azure(emulator, digits, patch)
        parts = emulator.ws.split("/")
        config = WorkspaceConfig(WorkspaceType.azure, parts[2], parts[4], parts[-1])
        yield Place(
            "azure", folder, lambda: AzureWorkspace(config, folder / "outputs", quick_options())
        )
    emulator.close()
