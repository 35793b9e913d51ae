"""The specs of a small experiment that every workspace must run alike."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mnist_exp.config import ComputeConfig, ComputeType, EnvConfig, EnvType
from mnist_exp.results import JobResult
from mnist_exp.specs import CommandJob, DeploymentSpec, Literal, PathInput, SweepJob
from mnist_exp.sweeps import parse_sweep
from mnist_exp.workspaces.azure.workspace import AzureWorkspace
from mnist_exp.workspaces.base import Workspace
from mnist_exp.workspaces.local.tracking.database import STORE_NAME
from tests.azure_emulator.certificates import Certificates
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.engines import LocalEngine
from tests.support.emulated_azure import quick_options, use_emulator, workspace_config
from tests.support.scripts import SCORE
from tests.support.small_jobs import LOGGER
from tests.support.watching import Watcher

#: Logs a metric that rises with `lr`, reads a folder, writes files, and fails if asked to. If `lr`
#: is negative, the script logs until it is canceled.
SCRIPT = """\
import argparse, pathlib, sys, time
from logger import log_metric

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--fail-above", type=float)
parser.add_argument("--data")
arguments = parser.parse_args()
print("it reads", pathlib.Path(arguments.data, "digits.txt").read_text(), flush=True)
while arguments.lr < 0:
    log_metric("score", arguments.lr, step=1)
    time.sleep(0.05)
for step in range(1, 4):
    log_metric("score", arguments.lr * step, step=step)
pathlib.Path("outputs", "model").mkdir()
pathlib.Path("outputs", "model", "weight.txt").write_text(str(arguments.lr))
pathlib.Path("lost.txt").write_text("not kept")
if arguments.lr > arguments.fail_above:
    print("the weights went away")
    sys.exit(1)
"""

THIS_MACHINE = EnvConfig(EnvType.local)
INFERENCE = EnvConfig(
    EnvType.conda, image="mcr.microsoft.com/azureml/minimal-py311-inference:latest"
)
CURATED = EnvConfig(EnvType.curated, name="AzureML-tensorflow-2.16-cuda12@latest")


@dataclass
class Place:
    """A workspace and the experiment's files.

    Attributes:
        name: `local` or `azure`.
        folder: Folder of the test module.
        opener: Opens the workspace, as a new command does.
    """

    name: str
    folder: Path
    opener: Callable[[], Workspace]

    @property
    def compute(self) -> ComputeConfig:
        """A cluster. On the local workspace this machine takes its place."""
        return ComputeConfig(ComputeType.amlcompute, "cpu-cluster", "STANDARD_DS3_V2")

    @property
    def code(self) -> Path:
        """The code folder."""
        code = self.folder / "code"
        code.mkdir(exist_ok=True)
        (code / "fit.py").write_text(SCRIPT, encoding="utf-8")
        (code / "logger.py").write_text(LOGGER, encoding="utf-8")
        (code / "score.py").write_text(SCORE, encoding="utf-8")
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        (data / "digits.txt").write_text("some digits", encoding="utf-8")
        return code

    def job(self, name: str, **inputs: Literal) -> CommandJob:
        """Return the training job."""
        given: Mapping[str, Literal] = {"lr": 0.5, "fail_above": 10, **inputs}
        return CommandJob(
            name=name,
            experiment_name="contract",
            display_name=name,
            command="python fit.py "
            "--lr {{inputs.lr}} --fail-above {{inputs.fail_above}} --data {{inputs.data}}",
            quoted=True,
            compute=self.compute,
            environment=CURATED if self.name == "azure" else THIS_MACHINE,
            code=self.code,
            inputs={**given, "data": PathInput(self.folder / "data")},
        )

    def sweep(self, name: str, *values: float) -> SweepJob:
        """Return a sweep over `lr`."""
        plan, faults = parse_sweep(
            {
                "sampling_algorithm": {"type": "grid"},
                "search_space": {"lr": {"type": "choice", "values": list(values)}},
                "objective": {"primary_metric": "score", "goal": "maximize"},
                "limits": {"max_total_trials": len(values), "max_concurrent_trials": 2},
            }
        )
        assert plan, faults
        trial = self.job(name)
        inputs = {key: value for key, value in trial.inputs.items() if key != "lr"}
        command = trial.command.replace("inputs.lr", "search_space.lr")
        changed = CommandJob(**{**vars(trial), "command": command, "inputs": inputs})
        return SweepJob(
            name, changed, plan.search_space, plan.sampling, plan.objective, plan.limits
        )

    def deployment(self, endpoint: str, name: str, model: str) -> DeploymentSpec:
        """Return a deployment of a model."""
        return DeploymentSpec(
            name=name,
            endpoint=endpoint,
            model=model,
            code=str(self.code),
            scoring_script="score.py",
            environment=INFERENCE if self.name == "azure" else THIS_MACHINE,
            instance_type="Standard_DS3_v2",
        )

    def run(self, job: CommandJob | SweepJob) -> tuple[JobResult, Watcher]:
        """Submit a job and watch it until it has finished."""
        workspace, watcher = self.opener(), Watcher()
        return workspace.watch(workspace.submit(job), watcher), watcher


@contextmanager
def azure_place(
    certificates: Certificates, digits: Path, folder: Path, empty_store: Path
) -> Iterator[Place]:
    """Yield a place on an emulator of Azure. This process takes the emulator for Azure."""
    (folder / "engine").mkdir()
    shutil.copyfile(empty_store, folder / "engine" / STORE_NAME)
    emulator = Emulator(certificates, LocalEngine(folder / "engine"), folder / "emulator")
    opened: list[AzureWorkspace] = []

    def open_workspace() -> AzureWorkspace:
        opened.append(AzureWorkspace(workspace_config(), folder / "outputs", quick_options()))
        return opened[-1]

    with pytest.MonkeyPatch.context() as patch:
        use_emulator(emulator, digits, patch)
        yield Place("azure", folder, open_workspace)
        for workspace in opened:
            workspace.close()
    emulator.close()
