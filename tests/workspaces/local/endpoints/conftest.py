"""Endpoints with scoring scripts of a few lines. The fixtures end all processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.workspaces.local.endpoints.server_processes import kill_processes_below
from tests.support.scripted_endpoint import ScriptedEndpoint


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[ScriptedEndpoint]:
    """An endpoint without a deployment."""
    scripted = ScriptedEndpoint(tmp_path)
    scripted.create()
    yield scripted
    kill_processes_below(tmp_path)


@pytest.fixture(scope="module")
def echoing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedEndpoint]:
    """An endpoint with the deployment `blue`, which returns each request. Tests only read."""
    folder = tmp_path_factory.mktemp("echoing")
    scripted = ScriptedEndpoint(folder)
    scripted.create()
    scripted.deploy()
    yield scripted
    kill_processes_below(folder)
