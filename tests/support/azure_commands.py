"""Fixtures for commands that find an emulator of Azure only by environment variables.

Every test session loads this module. The emulator, the SDK and numpy are imported only by the
fixtures that need them.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.azure_emulator.certificates import Certificates
from tests.support.command_line import Cli

if TYPE_CHECKING:
    from tests.azure_emulator.emulator import Emulator
    from tests.azure_emulator.engines import Engine

#: Arguments of the command that runs the whole tutorial.
TUTORIAL = ["workspace=azure", "compute=gpu_cluster", "env=curated", "data=mnist", "stage=all"]
#: The address from which the tutorial's jobs mount the digits.
MNIST = "wasbs://mnist@azureopendatastorage.blob.core.windows.net/"

StartEmulator = Callable[["Engine"], "Emulator"]


@pytest.fixture
def azure(
    certificates: Certificates, digits: Path, tmp_path: Path, cli: Cli
) -> Iterator[StartEmulator]:
    """Return a function that starts an emulator. Later commands use the emulator as Azure."""
    from tests.azure_emulator.emulator import Emulator  # noqa: PLC0415

    started: list[Emulator] = []

    def start(engine: "Engine") -> Emulator:
        emulator = Emulator(certificates, engine, tmp_path / "emulator")
        emulator.mounts[MNIST] = digits
        started.append(emulator)
        cli.environment.update(emulator.environment)
        return emulator

    yield start
    for emulator in started:
        emulator.close()
