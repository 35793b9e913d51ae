"""Emulators that this process uses as Azure, empty or with a saved state."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mnist_exp.config import Stage
from tests.azure_emulator.certificates import Certificates
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.engines import Engine, StubEngine
from tests.support.emulated_azure import (
    AzureStages,
    SavedState,
    draw_nothing,
    use_emulator,
)

StartEmulator = Callable[[Engine], Emulator]


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make stages draw no figures."""
    draw_nothing(monkeypatch)


@pytest.fixture
def start(
    certificates: Certificates, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StartEmulator]:
    """Return a function that starts an emulator. This process then uses the emulator as Azure."""
    started: list[Emulator] = []

    def make(engine: Engine) -> Emulator:
        emulator = Emulator(certificates, engine, tmp_path / "emulator")
        started.append(emulator)
        use_emulator(emulator, digits, monkeypatch)
        return emulator

    yield make
    for emulator in started:
        emulator.close()


@pytest.fixture(scope="session")
def states(
    certificates: Certificates, digits: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, SavedState]:
    """Two saved states: the cluster exists (`ready`), and also a model exists (`registered`)."""
    folder = tmp_path_factory.mktemp("states")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        emulator = Emulator(certificates, StubEngine(), folder / "emulator")
        use_emulator(emulator, digits, patch)
        stages = AzureStages(emulator, folder / "outputs", digits)
        stages.run(Stage.compute)
        found["ready"] = stages.save(folder / "ready")
        stages.run(Stage.sweep, "sweep=quick")
        stages.run(Stage.register)
        found["registered"] = stages.save(folder / "registered")
        stages.close()
        emulator.close()
    return found


@pytest.fixture
def emulator(start: StartEmulator) -> Emulator:
    """An empty emulator whose jobs end immediately."""
    return start(StubEngine())


@pytest.fixture
def stages(emulator: Emulator, tmp_path: Path, digits: Path) -> Iterator[AzureStages]:
    """Stages against an empty emulator."""
    stages = AzureStages(emulator, tmp_path / "outputs", digits)
    yield stages
    stages.close()


@pytest.fixture
def ready(stages: AzureStages, states: dict[str, SavedState]) -> AzureStages:
    """Stages against an emulator with a cluster."""
    stages.restore(states["ready"])
    return stages


@pytest.fixture
def registered(stages: AzureStages, states: dict[str, SavedState]) -> AzureStages:
    """Stages against an emulator with a cluster and a model."""
    stages.restore(states["registered"])
    return stages
