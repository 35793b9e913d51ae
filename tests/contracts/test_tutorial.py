"""The tutorial's experiment, stage by stage, with the same results on every workspace.

Trainer and values are the tutorial's. To save time the digits are the sample's, and there are fewer
epochs and trials.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.config import Stage, WorkspaceType
from mnist_exp.errors import NotFoundError
from mnist_exp.records import Record, RecordIndex
from mnist_exp.stages import RUNNERS, StageContext, run_stage
from mnist_exp.status import JobStatus
from tests.composing import fresh_config
from tests.contracts.experiment import Place
from tests.support.emulated_azure import draw_nothing
from tests.support.recorded_outputs import RecordingDisplay

ORDER = (
    Stage.compute,
    Stage.train,
    Stage.sweep,
    Stage.register,
    Stage.deploy,
    Stage.invoke,
    Stage.cleanup,
)
EPOCHS, TRIALS = 4, 4
SMALLER = (
    f"model.epochs={EPOCHS}",
    f"sweep.limits.max_total_trials={TRIALS}",
    "sweep.limits.max_concurrent_trials=2",
)
CHOICES = {
    "batch_size": {32, 64, 128},
    "first_layer_neurons": {16, 64, 128, 256, 512},
    "second_layer_neurons": {16, 64, 256, 512},
}


@dataclass
class Flow:
    """The records of all stages.

    Attributes:
        there: The endpoint before cleanup.
    """

    place: Place
    records: dict[Stage, Record] = field(default_factory=dict)
    there: Any = None


def run(place: Place, stage: Stage, digits: Path) -> Record:
    """Run a stage as a command does: first its checks, then the stage."""
    config = fresh_config(f"stage={stage}", "compute=gpu_cluster", "env=curated", *SMALLER)
    config.outputs_dir = str(place.folder / "outputs")
    config.data.cache_dir = str(digits)
    config.workspace.type = WorkspaceType(place.name)
    context = StageContext(
        config=config,
        folder=place.folder / "runs" / stage.value,
        opener=place.opener,
        index=RecordIndex(place.folder / "outputs"),
        display=RecordingDisplay(),
    )
    assert RUNNERS[stage].faults(context) == []
    return run_stage(RUNNERS[stage], context)


@pytest.fixture(scope="module")
def flow(place: Place, digits: Path) -> Iterator[Flow]:
    """All stages, in the tutorial's order."""
    done = Flow(place)
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        for stage in ORDER:
            if stage is Stage.cleanup:
                done.there = place.opener().get_endpoint(done.records[Stage.deploy].name)
            done.records[stage] = run(place, stage, digits)
    yield done


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
        f"{sweep.name}_{index}" for index in range(TRIALS)
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
            assert (trial["status"], trial["events"]) == (JobStatus.COMPLETED, EPOCHS)


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


def test_the_endpoint_is_the_tutorials_and_is_deleted_at_the_end(flow: Flow) -> None:
    name = flow.records[Stage.deploy].name
    assert name.startswith("tff-dnn-endpoint-")
    assert (flow.there.auth_mode, flow.there.traffic) == ("key", {"tff-blue": 100})
    assert [(one.name, one.model) for one in flow.there.deployments] == [
        ("tff-blue", "run-model-example:1")
    ]
    with pytest.raises(NotFoundError, match=name):
        flow.place.opener().get_endpoint(name)
    assert list(flow.place.opener().costs()) == []
