"""Both workspaces as places to run the same experiment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.workspaces.azure.workspace import AzureWorkspace
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.azure_emulator.certificates import Certificates
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.engines import LocalEngine
from tests.contracts.experiment import Place
from tests.support.emulated_azure import (
    no_unclosed_sockets,
    quick_options,
    use_emulator,
    workspace_config,
)


@pytest.fixture(autouse=True)
def sockets_are_closed() -> Iterator[None]:
    """Fail a test that leaves a socket open, rather than a later test."""
    with no_unclosed_sockets():
        yield


#: The places. The tests of one place share a worker, and the two places do not.
PLACES = [pytest.param(name, marks=pytest.mark.xdist_group(f"contracts-{name}"))
          for name in ("local", "azure")]  # fmt: skip


@pytest.fixture(scope="module", params=PLACES)
def place(
    request: pytest.FixtureRequest,
    certificates: Certificates,
    digits: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    """This machine, or an emulator of Azure.

    All tests of a module share the place, as commands share a workspace. Each test has job and
    endpoint names of its own.
    """
    folder = tmp_path_factory.mktemp("place")
    if request.param == "local":
        yield Place("local", folder, lambda: LocalWorkspace(folder / "outputs"))
        return
    emulator = Emulator(certificates, LocalEngine(folder / "engine"), folder / "emulator")
    opened: list[AzureWorkspace] = []

    def open_workspace() -> AzureWorkspace:
        opened.append(AzureWorkspace(workspace_config(), folder / "outputs", quick_options()))
        return opened[-1]

    with pytest.MonkeyPatch.context() as patch:
        use_emulator(emulator, digits, patch)
        yield Place("azure", folder, open_workspace)
        for workspace in opened:
            workspace.close()
    emulator.close()
