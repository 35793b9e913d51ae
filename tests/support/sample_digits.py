"""The real digits of `data=sample`, for all tests."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def digits(cache: Path) -> Path:
    """The folder with 4,000 + 1,000 digits. Emulators mount it in place of MNIST."""
    from mnist_exp.config import DataConfig, DataType  # noqa: PLC0415
    from mnist_exp.datasets import materialize  # noqa: PLC0415

    return materialize(DataConfig(DataType.sample, cache_dir=cache / "mnist_exp"), lambda _: None)


@pytest.fixture(scope="session")
def sample(digits: Path) -> Path:
    """The same folder, under the name that tests of the trainer and of the benchmarks use."""
    return digits
