"""Endpoints that the tests of a module share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.config import RequestSettingsConfig
from tests.serving.service import Service, serve


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Azure's default: one call at a time."""
    yield from serve(tmp_path_factory.mktemp("service"), RequestSettingsConfig(20_000, 1))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two calls at a time."""
    yield from serve(tmp_path_factory.mktemp("pair"), RequestSettingsConfig(20_000, 2))


@pytest.fixture
def blocked(tmp_path: Path) -> Iterator[Service]:
    """One call at a time, to be blocked by the test."""
    yield from serve(tmp_path, RequestSettingsConfig(20_000, 1))


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Service]:
    """An endpoint that the test may change."""
    yield from serve(tmp_path, RequestSettingsConfig(20_000, 4))


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A time limit that a test can wait for."""
    yield from serve(tmp_path_factory.mktemp("hasty"), RequestSettingsConfig(300, 1))
