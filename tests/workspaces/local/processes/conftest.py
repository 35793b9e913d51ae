"""A pipe that shows when the last process of a test has ended."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workspaces.local.pipes import Pipe


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    """A named pipe that processes under test write to."""
    pipe = Pipe(tmp_path / "pipe")
    yield pipe
    pipe.close()
