from pathlib import Path

import pytest

from tests.support.recorded_outputs import RecordedOutputs


@pytest.fixture
def outputs(tmp_path: Path) -> RecordedOutputs:
    """Return an outputs folder without records."""
    return RecordedOutputs(tmp_path / "outputs")
