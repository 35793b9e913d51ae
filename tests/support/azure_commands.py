"""Commands that use an emulator of Azure because of environment variables alone."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mnist_exp.config import DataType
from mnist_exp.datasets import materialize
from mnist_exp.specs import DataSpec
from tests.azure_emulator.certificates import Certificates
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.engines import Engine
from tests.support.command_line import Cli
from tests.workspaces.azure.bench import MNIST

#: The whole tutorial, in one command.
TUTORIAL = ["workspace=azure", "compute=gpu_cluster", "env=curated", "data=mnist", "stage=all"]

Start = Callable[[Engine], Emulator]


@pytest.fixture(scope="session")
def digits(cache: Path) -> Path:
    """The sample digits. They stand in for a folder mounted from a storage account."""
    return materialize(DataSpec(DataType.sample, cache_dir=cache / "mnist_exp"), lambda _: None)


@pytest.fixture
def azure(certificates: Certificates, digits: Path, tmp_path: Path, cli: Cli) -> Iterator[Start]:
    """Return a function that starts an emulator. Later commands take it for Azure."""
    started: list[Emulator] = []

    def make(engine: Engine) -> Emulator:
        emulator = Emulator(certificates, engine, tmp_path / "emulator")
        emulator.mounts[MNIST] = digits
        started.append(emulator)
        cli.environment.update(emulator.environment)
        return emulator

    yield make
    for emulator in started:
        emulator.close()
