"""`workspace=azure` in a process of its own, which environment variables alone lead here."""

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential

from mnist_exp.config import Stage
from mnist_exp.workspaces.azure.quiet import quiet
from tests.azure_emulator.certificates import Certificates
from tests.azure_emulator.emulator import GROUP, SUBSCRIPTION, WORKSPACE, Emulator
from tests.azure_emulator.engines import Engine, LocalEngine, StubEngine
from tests.cli.tutorial_calls import follow_the_tutorial
from tests.conftest import REPOSITORY, Cli
from tests.workspaces.azure.bench import MNIST, Bench
from tests.workspaces.azure.conftest import digits, taken_for_azure

__all__ = ["digits"]

pytestmark = pytest.mark.xdist_group("azure-commands")

TUTORIAL = ["workspace=azure", "compute=gpu_cluster", "env=curated", "data=mnist", "stage=all"]

#: What we send otherwise than the tutorial does, and why.
DIFFERENCES = {
    "job.put properties.command": "more inputs, and checkpoints that outlive an eviction",
    "job.put properties.trial.command": "the same",
    "job.put properties.inputs.epochs.value": "an input here, fixed in the tutorial's script",
    "job.put properties.inputs.architecture.value": "the same",
    "job.put properties.inputs.optimizer.value": "the same",
    "job.put properties.inputs.seed.value": "runs repeat",
    "job.put properties.inputs.epochs.jobInputType": "the same",
    "job.put properties.inputs.architecture.jobInputType": "the same",
    "job.put properties.inputs.optimizer.jobInputType": "the same",
    "job.put properties.inputs.seed.jobInputType": "the same",
    "job.put properties.outputs.checkpoints.jobOutputType": "where an evicted job goes on from",
    "job.put properties.samplingAlgorithm.seed": "sweeps repeat",
    "job.put properties.samplingAlgorithm.rule": "as the config names it",
    "job.put properties.earlyTermination.slackAmount": "0, which is unset",
    "job.put properties.experimentName": "the SDK drops it from the tutorial's sweep",
    "job.put properties.displayName": "the same",
    "models.put properties.description": "a text of ours",
    "models.put properties.tags.mnist_exp.job": "by which a version is found again",
    "models.put properties.tags.mnist_exp.path": "the same",
    "endpoint.put properties.description": "a text of ours",
    "endpoint.put properties.traffic.tff-blue": "the tutorial never gives its deployment traffic",
}


@pytest.fixture
def azure(
    certificates: Certificates, digits: Path, tmp_path: Path, cli: Cli
) -> Iterator[Callable[[Engine], Emulator]]:
    """Start an emulator; commands take it for Azure from then on."""
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


def test_the_tutorial_as_it_is_sends_what_the_tutorial_sends(
    azure: Callable[[Engine], Emulator],
    cli: Cli,
    digits: Path,
    tmp_path: Path,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = azure(StubEngine())
    done = cli.ok(*TUTORIAL)
    assert "experimental" not in done.stderr
    assert ours.store.endpoints == {}
    assert list(ours.store.computes) == ["gpu-cluster"]
    assert [job.is_sweep for job in ours.store.jobs.values() if not job.parent] == [False, True]

    theirs = Emulator(certificates, StubEngine(), tmp_path / "tutorial")
    try:
        taken_for_azure(theirs, digits, monkeypatch)
        client = MLClient(
            DefaultAzureCredential(), SUBSCRIPTION, GROUP, WORKSPACE, enable_telemetry=False
        )
        shutil.copytree(REPOSITORY / "trainer", tmp_path / "copy" / "trainer")
        with quiet():
            follow_the_tutorial(client, tmp_path / "copy" / "trainer", MNIST)
    finally:
        theirs.close()
    found = set()
    for kind in ("compute.put", "job.put", "models.put", "endpoint.put", "deployment.put"):
        for mine, its in zip(sent(ours, kind), sent(theirs, kind), strict=False):
            found |= {f"{kind} {path}" for path in mine.keys() | its.keys()
                      if mine.get(path) != its.get(path)}  # fmt: skip
    assert len(sent(ours, "job.put")) == len(sent(theirs, "job.put")) == 2
    assert found <= set(DIFFERENCES), found - set(DIFFERENCES)
    assert [one.kind for one in ours.requests if one.kind in ORDER] == ORDER


#: The tutorial's steps, and the traffic that it forgets.
ORDER = [
    "compute.put",
    "job.put",
    "job.put",
    "models.put",
    "endpoint.put",
    "deployment.put",
    "endpoint.put",
    "score",
    "endpoint.delete",
]


def sent(emulator: Emulator, kind: str) -> list[dict[str, Any]]:
    """Return the bodies of these requests as path -> value, ids aside."""
    return [flat(json.loads(neutral(json.dumps(one.body)))) for one in emulator.recorded(kind)]


def neutral(text: str) -> str:
    text = re.sub(r"/codes/[-0-9a-f]{36}/", "/codes/guid/", text)
    text = re.sub(r'"(mlflow|azureml)\.[\w.]*git[\w.]*": "[^"]*"', '"git": ""', text)
    return re.sub(r"azureml://jobs/\w+?_7/", "azureml://jobs/best/", text)


def flat(value: Any, at: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        parts = (flat(item, f"{at}.{key}" if at else key) for key, item in value.items())
        return {path: leaf for part in parts for path, leaf in part.items()}
    return {} if value in (None, {}, [], "") else {at: value}


@pytest.mark.azure
def test_the_whole_flow_trains_and_answers_over_the_wire(
    azure: Callable[[Engine], Emulator], cli: Cli, tmp_path: Path
) -> None:
    emulator = azure(LocalEngine(tmp_path / "engine"))
    done = cli.ok(*TUTORIAL, "sweep=quick", "model.epochs=3")
    invoke = cli.records("invoke")[-1]
    assert invoke["metrics"]["sample_accuracy"] > 0.5
    assert cli.records("sweep")[-1]["best"]["value"] > 0.8
    assert cli.records("all")[-1]["status"] == "Completed"
    assert "epoch 3/3" in done.stderr
    assert (emulator.store.endpoints, emulator.store.deployments) == ({}, {})


@pytest.mark.parametrize("workspace", ["azure", pytest.param("local", marks=pytest.mark.azure)])
def test_a_dry_run_asks_nobody_on_either_workspace(
    azure: Callable[[Engine], Emulator], cli: Cli, workspace: str
) -> None:
    emulator = azure(StubEngine())
    done = cli.ok(*TUTORIAL, f"workspace={workspace}", "dry_run=true")
    for kind in ("compute", "train", "sweep", "model", "endpoint", "deployment"):
        assert f"--- # {kind} " in done.stdout
    assert re.search(r"# job\.code: \d+ files, \d+ bytes", done.stdout)
    assert "#   train.py" in done.stdout
    assert "__pycache__" not in done.stdout
    assert emulator.requests == []
    assert not (cli.outputs / "index.jsonl").exists()


def test_doctor_offline_tells_what_can_be_told(cli: Cli) -> None:
    done = cli("stage=doctor", "workspace=azure", "compute.size=STANDARD_NC6", "model.epochs=0")
    assert done.returncode == 1
    assert "warn  compute.size: STANDARD_NC6 was retired" in done.stderr
    assert "fail  model.epochs: must be a whole number" in done.stderr
    assert "ok    azureml-mlflow" in done.stderr
    assert "fail  workspace: workspace.subscription_id: must be given" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.azure
def test_doctor_finds_nothing_on_this_machine(cli: Cli) -> None:
    done = cli.ok("stage=doctor", "compute=gpu_cluster")
    assert "ok    workspace: this machine" in done.stderr


def test_a_multirun_submits_all_its_variants_at_once(
    azure: Callable[[Engine], Emulator],
    cli: Cli,
    digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    emulator = azure(StubEngine())
    taken_for_azure(emulator, digits, monkeypatch)
    Bench(emulator, tmp_path / "before", digits.parent).run(Stage.compute)
    arguments = ["profile=azure", "stage=train", "wait=false", "model=small,wide"]
    done = cli.ok("-m", *arguments)
    names = [record["name"] for record in cli.records("train")]
    assert len(emulator.store.jobs) == len(names) == 2
    assert all(f"run={name}" in done.stderr for name in names)
    assert [record["status"] for record in cli.records("train")] == ["NotStarted"] * 2


@pytest.mark.azure
def test_a_sweep_that_is_submitted_is_followed_with_the_line_that_was_printed(
    azure: Callable[[Engine], Emulator], cli: Cli
) -> None:
    emulator = azure(StubEngine())
    cli.ok("profile=azure", "stage=compute")
    done = cli.ok("profile=azure", "stage=sweep", "sweep=quick", "wait=false")
    found = re.search(r"go on with it: mnist-exp (.+)", done.stderr)
    assert found, done.stderr
    cli.ok(*shlex.split(found[1]))
    assert len(emulator.recorded("job.put")) == 1
    assert cli.records("sweep")[-1]["status"] == "Completed"


@pytest.mark.azure
def test_a_stranger_is_told_what_to_do_in_one_line(
    azure: Callable[[Engine], Emulator], cli: Cli
) -> None:
    emulator = azure(StubEngine())
    emulator.forbidden = {"compute"}
    done = cli("profile=azure", "stage=compute")
    assert done.returncode == 1
    assert re.search(r"error: compute gpu-cluster: .*\(request \w+\).*role", done.stderr)
    assert "Traceback" not in done.stderr
