from pathlib import Path

import pytest

from tests.stages.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An outputs folder without records."""
    return Bench(tmp_path / "outputs")
