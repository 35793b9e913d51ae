"""Emulators, and the environment that has the SDK take them for Azure."""

from collections.abc import Callable, Iterator
from functools import cache as cached
from pathlib import Path

import pytest
from azure.ai.ml import _azure_environments as clouds
from azure.storage.blob._shared.policies import StorageRetryPolicy
from azureml.mlflow._common._cloud import cloud

from mnist_exp.config import Stage
from tests.azure_emulator.certificates import Certificates
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.engines import Engine, StubEngine
from tests.workspaces.azure.bench import MNIST, Bench, State

KNOWN_CLOUDS = clouds._get_clouds_by_metadata_url

Make = Callable[[Engine], Emulator]


class Sketches:
    """Figures that take no time: what they show is tested where they are drawn."""

    def __getattr__(self, name: str) -> Callable[..., Path]:
        return lambda *arguments: Path(arguments[-1])


class NoInsights:
    """Nothing to say of a sweep's trials."""

    def sweep_insights(self, *_: object) -> dict[str, object]:
        """Say nothing."""
        return {}


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """Have stages draw and explain nothing."""
    for module in ("jobs", "invoke"):
        patch.setattr(f"mnist_exp.stages.{module}.figures", Sketches)
    patch.setattr("mnist_exp.stages.sweep.insights", NoInsights)


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing."""
    draw_nothing(monkeypatch)


def taken_for_azure(emulator: Emulator, digits: Path, patch: pytest.MonkeyPatch) -> None:
    """Have this process take an emulator for Azure."""
    # The SDK writes it, and takes it for the cloud from then on.
    patch.setenv("AZUREML_CURRENT_CLOUD", "set aside")
    patch.delenv("AZUREML_CURRENT_CLOUD")
    emulator.mounts[MNIST] = digits
    for name, value in emulator.environment.items():
        patch.setenv(name, value)
    # Storage has retries of its own, half a minute apart, that the SDK gives no handle to.
    patch.setattr(StorageRetryPolicy, "sleep", lambda *_: None)
    # It asks what clouds there are before every other call.
    patch.setattr(clouds, "_get_clouds_by_metadata_url", cached(KNOWN_CLOUDS))
    # The plugin looks for clouds once, when it is imported.
    patch.setattr(cloud, "KNOWN_CLOUDS", cloud.get_known_clouds())


@pytest.fixture
def start(
    certificates: Certificates, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Make]:
    """Start an emulator; this process takes it for Azure from then on."""
    started: list[Emulator] = []

    def make(engine: Engine) -> Emulator:
        emulator = Emulator(certificates, engine, tmp_path / "emulator")
        started.append(emulator)
        taken_for_azure(emulator, digits, monkeypatch)
        return emulator

    yield make
    for emulator in started:
        emulator.close()


@pytest.fixture(scope="session")
def states(
    certificates: Certificates, digits: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, State]:
    """What is there when the cluster is made, and when a model is registered."""
    folder = tmp_path_factory.mktemp("states")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        emulator = Emulator(certificates, StubEngine(), folder / "emulator")
        taken_for_azure(emulator, digits, patch)
        bench = Bench(emulator, folder / "outputs", digits.parent)
        bench.run(Stage.compute)
        found["ready"] = bench.snapshot(folder / "ready")
        bench.run(Stage.sweep, "sweep=quick")
        bench.run(Stage.register)
        found["registered"] = bench.snapshot(folder / "registered")
        emulator.close()
    return found


@pytest.fixture
def emulator(start: Make) -> Emulator:
    """An emulator whose jobs are done at once."""
    return start(StubEngine())


@pytest.fixture
def bench(emulator: Emulator, tmp_path: Path, digits: Path) -> Bench:
    """A workspace on it."""
    return Bench(emulator, tmp_path / "outputs", digits.parent)


@pytest.fixture
def ready(bench: Bench, states: dict[str, State]) -> Bench:
    """A workspace whose cluster is made."""
    bench.restore(states["ready"])
    return bench


@pytest.fixture
def registered(bench: Bench, states: dict[str, State]) -> Bench:
    """A workspace that has a model."""
    bench.restore(states["registered"])
    return bench
