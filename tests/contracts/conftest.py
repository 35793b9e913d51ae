"""Both workspaces, behind one name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.azure_emulator.certificates import Certificates
from tests.contracts.experiment import Place, azure_place


@pytest.fixture(scope="module", params=["local", "azure"])
def place(
    request: pytest.FixtureRequest,
    certificates: Certificates,
    digits: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    """A place to run experiments: this machine, or Azure as far as the emulator is Azure.

    The tests of a module share it, as commands share a workspace. Each test has names of its own.
    """
    folder = tmp_path_factory.mktemp("place")
    if request.param == "local":
        yield Place("local", folder, lambda: LocalWorkspace(folder / "outputs"))
        return
    with azure_place(certificates, digits, folder) as place:
        yield place
