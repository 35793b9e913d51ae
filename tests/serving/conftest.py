"""Endpoints that the tests of a module share, and endpoints of a single test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.config import RequestSettingsConfig
from tests.support.scoring_service import Service, serve


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An endpoint with Azure's default: one request at a time. Tests do not change it."""
    yield from serve(tmp_path_factory.mktemp("service"), RequestSettingsConfig(20_000, 1))


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An endpoint with a request_timeout_ms that a test can wait for."""
    yield from serve(tmp_path_factory.mktemp("impatient"), RequestSettingsConfig(300, 1))


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from serve(tmp_path_factory.mktemp("shared"), RequestSettingsConfig(20_000, 4))


@pytest.fixture
def changeable(_shared: Service) -> Iterator[Service]:
    """An endpoint that tests may change, with four requests at a time; restored after a test."""
    yield _shared
    _shared.restore()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Service]:
    """An endpoint for one test, which may kill its front or delete it."""
    yield from serve(tmp_path, RequestSettingsConfig(20_000, 4))
