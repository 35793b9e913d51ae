"""The tutorial's experiment, stage by stage, with the same results on every workspace.

On this machine it is the command that `tests/commands/test_tutorial.py` runs. On the emulator each
stage runs in this process, with fewer epochs and trials.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.config import Stage, WorkspaceType
from mnist_exp.errors import NotFoundError
from mnist_exp.records import Record, RecordIndex
from mnist_exp.stages import RUNNERS, StageContext, run_stage
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.azure_emulator.certificates import Certificates
from tests.contracts.experiment import Place, azure_place
from tests.support.command_line import Cli
from tests.support.configs import fresh_config
from tests.support.emulated_azure import draw_nothing
from tests.support.recorded_outputs import RecordingDisplay
from tests.support.tutorial import EPOCHS, TRIALS, TUTORIAL_GROUP

ORDER = (
    Stage.compute,
    Stage.train,
    Stage.sweep,
    Stage.register,
    Stage.deploy,
    Stage.invoke,
    Stage.cleanup,
)
EPOCHS_ON_AZURE = 4
TRIALS_ON_AZURE = 3
ON_AZURE = (
    "compute=gpu_cluster",
    "env=curated",
    "endpoint/environment@endpoint.deployment.environment=azure",
    f"model.epochs={EPOCHS_ON_AZURE}",
    f"sweep.limits.max_total_trials={TRIALS_ON_AZURE}",
    "sweep.limits.max_concurrent_trials=2",
)
CHOICES = {
    "batch_size": {32, 64, 128},
    "first_layer_neurons": {16, 64, 128, 256, 512},
    "second_layer_neurons": {16, 64, 256, 512},
}


@dataclass
class Flow:
    """All stages, in the tutorial's order, and the records that they wrote."""

    place: Place
    epochs: int
    trials: int
    records: dict[Stage, Record]

    @property
    def endpoint(self) -> Any:
        """The endpoint as it was before `cleanup` deleted it."""
        return self.records[Stage.deploy].endpoint


def run_on_azure(place: Place, digits: Path) -> Flow:
    """Run each stage as a command of its own does."""
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        records = {stage: _run(place, stage, digits) for stage in ORDER}
    return Flow(place, EPOCHS_ON_AZURE, TRIALS_ON_AZURE, records)


def _run(place: Place, stage: Stage, digits: Path) -> Record:
    config = fresh_config(f"stage={stage}", *ON_AZURE)
    config.outputs_dir = str(place.folder / "outputs")
    config.data.cache_dir = str(digits.parent)
    config.workspace.type = WorkspaceType.azure
    context = StageContext(
        config=config,
        folder=place.folder / "runs" / stage.value,
        opener=place.opener,
        index=RecordIndex(place.folder / "outputs"),
        display=RecordingDisplay(),
    )
    runner = RUNNERS[stage](context)
    assert runner.faults() == []
    return run_stage(runner)


def flow_of_a_command(cli: Cli) -> Flow:
    """Return the flow that a `stage=all` command on this machine ran."""
    place = Place("local", cli.folder, lambda: LocalWorkspace(cli.outputs))
    found = RecordIndex(cli.outputs).newest_first(*ORDER)
    return Flow(place, EPOCHS, TRIALS, {record.stage: record for record, _ in found})


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("local", marks=pytest.mark.xdist_group(TUTORIAL_GROUP)),
        pytest.param("azure", marks=pytest.mark.xdist_group("tutorial on azure")),
    ],
)
def flow(
    request: pytest.FixtureRequest,
    certificates: Certificates,
    digits: Path,
    tmp_path_factory: pytest.TempPathFactory,
    empty_store: Path,
) -> Iterator[Flow]:
    """The tutorial on this machine, or on Azure as far as the emulator is Azure."""
    if request.param == "local":
        yield flow_of_a_command(request.getfixturevalue("tutorial"))
        return
    with azure_place(
        certificates, digits, tmp_path_factory.mktemp("tutorial"), empty_store
    ) as place:
        yield run_on_azure(place, digits)


def test_every_stage_completes(flow: Flow) -> None:
    assert {stage: record.status for stage, record in flow.records.items()} == dict.fromkeys(
        ORDER, JobStatus.COMPLETED
    )
    compute = flow.records[Stage.compute].compute
    assert compute is not None
    assert compute["name"] == "gpu-cluster"


def test_the_job_trains_with_the_tutorials_values(flow: Flow) -> None:
    train = flow.records[Stage.train]
    assert {key: train.parameters[key] for key in (*CHOICES, "learning_rate")} == {
        "batch_size": 64,
        "first_layer_neurons": 256,
        "second_layer_neurons": 128,
        "learning_rate": 0.01,
    }
    assert {"training_acc", "validation_acc"} <= set(train.metrics)
    assert train.metrics["validation_acc"] > 0.5


def test_the_sweep_draws_from_the_tutorials_space_and_obeys_its_policy(flow: Flow) -> None:
    sweep = flow.records[Stage.sweep]
    assert [trial["name"] for trial in sweep.trials] == [
        f"{sweep.name}_{index}" for index in range(flow.trials)
    ]
    for trial in sweep.trials:
        drawn = trial["parameters"]
        assert set(drawn) == {*CHOICES, "learning_rate"}
        assert all(drawn[name] in values for name, values in CHOICES.items())
        assert math.exp(-6) <= drawn["learning_rate"] <= math.exp(-1)
    for trial in sweep.trials:
        # The policy judges after every second epoch. A canceled trial may still log another one.
        if trial["status"] == JobStatus.CANCELED:
            assert trial["events"] >= 2
        else:
            assert (trial["status"], trial["events"]) == (JobStatus.COMPLETED, flow.epochs)


def test_the_best_trials_model_is_registered_and_answers(flow: Flow) -> None:
    sweep, register = flow.records[Stage.sweep], flow.records[Stage.register]
    best = max(sweep.trials, key=lambda trial: trial["best"])
    assert sweep.best is not None
    assert (sweep.best["name"], sweep.best["value"]) == (best["name"], best["best"])
    assert register.model is not None
    assert {key: register.model[key] for key in ("name", "version", "job", "type")} == {
        "name": "run-model-example",
        "version": "1",
        "job": best["name"],
        "type": "custom_model",
    }
    invoke = flow.records[Stage.invoke]
    assert invoke.predictions is not None
    assert len(invoke.predictions["predicted"]) == 30
    assert invoke.metrics["sample_accuracy"] > 0.7


def test_the_endpoint_is_the_tutorials_and_is_deleted(flow: Flow) -> None:
    name = flow.records[Stage.deploy].name
    assert name.startswith("tff-dnn-endpoint-")
    assert (flow.endpoint["auth_mode"], flow.endpoint["traffic"]) == ("key", {"tff-blue": 100})
    assert [(one["name"], one["model"]) for one in flow.endpoint["deployments"]] == [
        ("tff-blue", "run-model-example:1")
    ]
    with pytest.raises(NotFoundError, match=name):
        flow.place.opener().get_endpoint(name)
    assert list(flow.place.opener().costs()) == []
