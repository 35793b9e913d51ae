"""Stages and workspaces that run against an emulator of Azure, in this process."""

import copy
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache as cached
from pathlib import Path

import pytest
from azure.ai.ml import _azure_environments as clouds
from azure.storage.blob._shared.policies import StorageRetryPolicy
from azureml.mlflow._common._cloud import cloud

from mnist_exp.config import ExperimentConfig, Stage, WorkspaceConfig, WorkspaceType
from mnist_exp.errors import MnistExpError
from mnist_exp.records import Record, RecordIndex
from mnist_exp.stages import RUNNERS, StageContext, run_stage
from mnist_exp.stages.all import AllStages
from mnist_exp.stages.resume import unfinished_job
from mnist_exp.workspaces.azure.retries import RetryPolicy
from mnist_exp.workspaces.azure.workspace import AzureOptions, AzureWorkspace
from tests.azure_emulator.emulator import GROUP, SUBSCRIPTION, WORKSPACE, Emulator
from tests.azure_emulator.store import Store
from tests.support.azure_commands import MNIST
from tests.support.configs import fresh_config
from tests.support.paths import REPOSITORY
from tests.support.recorded_outputs import RecordingDisplay

#: Maximum seconds that the SDK waits for data. A loaded machine needs more than one second.
READ_TIMEOUT_S = 2

#: A code folder in place of the trainer's, which has 25 files. The upload of a file is a request.
SMALL_CODE = REPOSITORY / "tests" / "support" / "small_code"

_KNOWN_CLOUDS = clouds._get_clouds_by_metadata_url


class _NoFigures:
    """A stub for the figures. Other tests check the figures."""

    def __getattr__(self, name: str) -> Callable[..., Path]:
        return lambda *arguments: Path(arguments[-1])


class _NoInsights:
    """A stub for the insights of a sweep."""

    def sweep_insights(self, *_: object) -> dict[str, object]:
        """Return nothing."""
        return {}


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """Replace the figures and insights of stages by stubs."""
    for module in ("train", "sweep", "watching", "invoke"):
        patch.setattr(f"mnist_exp.stages.{module}.figures", _NoFigures)
    patch.setattr("mnist_exp.stages.sweep.insights", _NoInsights)


def use_emulator(emulator: Emulator, digits: Path, patch: pytest.MonkeyPatch) -> None:
    """Make this process use an emulator as Azure."""
    # The SDK sets this variable. Set and delete the variable here, so that the patch restores it
    # after the test.
    patch.setenv("AZUREML_CURRENT_CLOUD", "unset")
    patch.delenv("AZUREML_CURRENT_CLOUD")
    emulator.mounts[MNIST] = digits
    for name, value in emulator.environment.items():
        patch.setenv(name, value)
    # The storage client pauses half a minute between its retries, and no option changes this pause.
    patch.setattr(StorageRetryPolicy, "sleep", lambda *_: None)
    # The SDK asks for the known clouds before every other request.
    patch.setattr(clouds, "_get_clouds_by_metadata_url", cached(_KNOWN_CLOUDS))
    # azureml-mlflow asks for the known clouds once, when it is imported.
    patch.setattr(cloud, "KNOWN_CLOUDS", cloud.get_known_clouds())


def workspace_config() -> WorkspaceConfig:
    """Return the config of the emulated workspace."""
    return WorkspaceConfig(WorkspaceType.azure, SUBSCRIPTION, GROUP, WORKSPACE)


def quick_options() -> AzureOptions:
    """Return options with the usual number of tries and shorter pauses between them."""
    client = {"retry_backoff_factor": 0.01, "read_timeout": READ_TIMEOUT_S}
    return AzureOptions(client, RetryPolicy(pause_s=0.02), poll_s=0.05)


@dataclass(frozen=True)
class SavedState:
    """Contents of an emulator and of an outputs folder at one moment."""

    store: Store
    quota: dict[str, int]
    outputs: Path


class AzureStages:
    """A runner of stages against an emulator. Each stage runs as in a separate command.

    Args:
        emulator: The emulator.
        outputs: The outputs folder.
        digits: The folder with the sample digits.
    """

    def __init__(self, emulator: Emulator, outputs: Path, digits: Path) -> None:
        self.emulator = emulator
        self.outputs = outputs
        self.display = RecordingDisplay()
        self._cache = digits.parent
        self._runs = len(list(outputs.glob("runs/*")))
        self._opened: list[AzureWorkspace] = []

    def config(self, stage: Stage, *overrides: str) -> ExperimentConfig:
        """Return the config of `profile=azure`."""
        config = fresh_config(f"stage={stage.value}", "profile=azure", *overrides)
        config.outputs_dir = str(self.outputs)
        config.data.cache_dir = str(self._cache)
        if config.job.code == str(REPOSITORY / "trainer"):
            config.job.code = config.endpoint.deployment.code = str(SMALL_CODE)
        config.workspace.subscription_id = SUBSCRIPTION
        config.workspace.resource_group = GROUP
        config.workspace.workspace_name = WORKSPACE
        return config

    def workspace(self, config: ExperimentConfig | None = None) -> AzureWorkspace:
        """Return a new workspace; `close` closes it."""
        config = config or self.config(Stage.compute)
        workspace = AzureWorkspace(config.workspace, self.outputs, quick_options())
        self._opened.append(workspace)
        return workspace

    def close(self) -> None:
        """Close every workspace, and wait for threads that still read logs."""
        while self._opened:
            self._opened.pop().close()
        for thread in threading.enumerate():
            if thread.name.startswith("log of "):
                thread.join(timeout=30)

    def context(self, stage: Stage, *overrides: str) -> StageContext:
        """Return the context of a stage in a new command."""
        config = self.config(stage, *overrides)
        self._runs += 1
        return StageContext(
            config=config,
            folder=self.outputs / "runs" / f"{self._runs:03}",
            opener=cached(lambda: self.workspace(config)),
            index=RecordIndex(self.outputs),
            display=self.display,
        )

    def run(self, stage: Stage, *overrides: str) -> Record:
        """Run a stage as a command does: first its checks, then the stage."""
        context = self.context(stage, *overrides)
        # A command looks for the job that it resumes when it composes its config.
        unfinished_job(context.config, context.index)
        if stage is not Stage.doctor:
            # A command opens the workspace before it writes a record.
            assert context.workspace
        runner = AllStages(context) if stage is Stage.all else RUNNERS[stage](context)
        if faults := runner.faults():
            raise MnistExpError(faults[0])
        return run_stage(runner)

    def save(self, folder: Path) -> SavedState:
        """Return the present state, with a copy of the outputs in `folder`."""
        store = copy.deepcopy(self.emulator.store)
        if self.outputs.exists():
            shutil.copytree(self.outputs, folder)
        return SavedState(store, dict(self.emulator.quota.used), folder)

    def restore(self, state: SavedState) -> None:
        """Return to a saved state."""
        self.emulator.store = copy.deepcopy(state.store)
        self.emulator.quota.used = dict(state.quota)
        if state.outputs.exists():
            shutil.copytree(state.outputs, self.outputs, dirs_exist_ok=True)
        self._runs = len(list(self.outputs.glob("runs/*")))
