"""The fixture `place`, which runs each test in the local workspace and in an emulated one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.workspaces.local.tracking.database import STORE_NAME
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.azure_emulator.certificates import Certificates
from tests.contracts.experiment import Place, azure_place


@pytest.fixture(scope="module", params=["local", "azure"])
def place(
    request: pytest.FixtureRequest,
    certificates: Certificates,
    digits: Path,
    tmp_path_factory: pytest.TempPathFactory,
    empty_store: Path,
) -> Iterator[Place]:
    """This machine, or an emulator of Azure.

    All tests of a module share the place, as commands share a workspace. Each test uses different
    names of jobs and endpoints.
    """
    folder = tmp_path_factory.mktemp("place")
    if request.param == "local":
        (folder / "outputs").mkdir()
        shutil.copyfile(empty_store, folder / "outputs" / STORE_NAME)
        yield Place("local", folder, lambda: LocalWorkspace(folder / "outputs"))
        return
    with azure_place(certificates, digits, folder, empty_store) as place:
        yield place
