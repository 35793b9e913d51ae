"""Every test leaves no process behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.specs import EndpointSpec
from mnist_exp.workspaces.local.endpoints import Endpoints
from mnist_exp.workspaces.local.endpoints.process_identity import end_processes, servers_below
from tests.workspaces.local.endpoints.bench import ENDPOINT, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An endpoint without a deployment, below a path with a blank in it."""
    bench = Bench(tmp_path, Endpoints(tmp_path / "out puts" / "endpoints"))
    bench.gate.mkdir()
    bench.endpoints.create_or_update(EndpointSpec(ENDPOINT))
    yield bench
    end_processes(servers_below(tmp_path), grace_s=0)
