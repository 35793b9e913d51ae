"""A workspace on the emulator, in this process, that waits for nothing."""

import copy
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.errors import MnistExpError
from mnist_exp.records import Record, RecordIndex
from mnist_exp.stages import RUNNERS, StageContext, run_stage
from mnist_exp.stages.all import AllStages
from mnist_exp.workspaces.azure.retrying import Retrying
from mnist_exp.workspaces.azure.workspace import AzureWorkspace, Options
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.store import Store
from tests.composing import fresh_config
from tests.support.recorded_outputs import RecordingDisplay

#: The address that the tutorial's digits are mounted from.
MNIST = "wasbs://mnist@azureopendatastorage.blob.core.windows.net/"
#: Seconds; long enough for a loaded machine, short enough to wait for.
READ_TIMEOUT_S = 2


def quick_options() -> Options:
    """Return options that try as often as usual, and wait less in between."""
    client = {"retry_backoff_factor": 0.01, "read_timeout": READ_TIMEOUT_S}
    return Options(client, Retrying(pause_s=0.02), poll_s=0.05)


@dataclass(frozen=True)
class State:
    """What an emulator and an outputs folder held at some point."""

    store: Store
    quota: dict[str, int]
    outputs: Path


class Bench:
    """Runs stages against an emulator.

    Args:
        emulator: The service.
        outputs: The outputs folder.
        cache: Where the sample digits are.
    """

    def __init__(self, emulator: Emulator, outputs: Path, cache: Path) -> None:
        self.emulator = emulator
        self.outputs = outputs
        self.display = RecordingDisplay()
        self._cache = cache
        self._runs = len(list(outputs.glob("runs/*")))

    def config(self, stage: Stage, *overrides: str) -> ExperimentConfig:
        """Return the config of `profile=azure`."""
        config = fresh_config(f"stage={stage.value}", "profile=azure", *overrides)
        config.outputs_dir = str(self.outputs)
        config.data.cache_dir = str(self._cache)
        place = self.emulator.ws.split("/")
        config.workspace.subscription_id = place[2]
        config.workspace.resource_group = place[4]
        config.workspace.workspace_name = place[-1]
        return config

    def workspace(self, config: ExperimentConfig | None = None) -> AzureWorkspace:
        """Return the workspace, as a new command would open it."""
        config = config or self.config(Stage.compute)
        return AzureWorkspace(config.workspace, self.outputs, quick_options())

    def context(self, stage: Stage, *overrides: str) -> StageContext:
        """Return what a stage of a new command works with."""
        config = self.config(stage, *overrides)
        self._runs += 1
        return StageContext(
            config=config,
            folder=self.outputs / "runs" / f"{self._runs:03}",
            opener=cache(lambda: self.workspace(config)),
            index=RecordIndex(self.outputs),
            display=self.display,
        )

    def run(self, stage: Stage, *overrides: str) -> Record:
        """Run a stage as a command does: its checks, then itself."""
        context = self.context(stage, *overrides)
        runner: Any = AllStages() if stage is Stage.all else RUNNERS[stage]
        if faults := runner.faults(context):
            raise MnistExpError(faults[0])
        return run_stage(runner, context)

    def snapshot(self, folder: Path) -> State:
        """Return the state as it is; the outputs are copied to a folder."""
        store = copy.deepcopy(self.emulator.store)
        if self.outputs.exists():
            shutil.copytree(self.outputs, folder)
        return State(store, dict(self.emulator.quota.used), folder)

    def restore(self, state: State) -> None:
        """Go back to a state."""
        self.emulator.store = copy.deepcopy(state.store)
        self.emulator.quota.used = dict(state.quota)
        if state.outputs.exists():
            shutil.copytree(state.outputs, self.outputs, dirs_exist_ok=True)
        self._runs = len(list(self.outputs.glob("runs/*")))
