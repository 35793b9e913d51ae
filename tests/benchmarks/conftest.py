"""Fixtures of the benchmarks' tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, Any]]:
    """Return a function that reads the one file of results that a benchmark has written."""
    monkeypatch.chdir(tmp_path)

    def read() -> dict[str, Any]:
        (path,) = (tmp_path / "benchmarks" / "results").iterdir()
        results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return results

    return read
