"""A search space may name a config key; the inputs that take their value from it are swept."""

import pytest

from mnist_exp.build import sweep_job
from mnist_exp.checks import faults, warnings
from mnist_exp.config import ExperimentConfig
from mnist_exp.sweeps.space.keys import azure_name, hydra_key
from tests.support.configs import config

ADD = "+sweep.search_space.model.epochs={type: choice, values: [2, 3]}"


@pytest.fixture
def dotted() -> ExperimentConfig:
    return config("stage=sweep", "sweep=quick", ADD)


def test_composition_notes_where_inputs_come_from(dotted: ExperimentConfig) -> None:
    assert dotted.job.sources["epochs"] == "model.epochs"
    assert dotted.job.sources["seed"] == "seed"
    assert "data_folder" not in dotted.job.sources


def test_the_input_gets_the_drawn_value_under_its_own_flag(dotted: ExperimentConfig) -> None:
    job = sweep_job(dotted, "s")
    assert "--epochs {{search_space.model.epochs}}" in job.trial.command
    assert "epochs" not in job.trial.inputs
    assert set(job.search_space) == {"batch_size", "learning_rate", "model.epochs"}
    assert faults(dotted) == []
    assert not [line for line in warnings(dotted) if "model.epochs" in line]


def test_the_name_for_azure_can_be_turned_back(dotted: ExperimentConfig) -> None:
    for key in sweep_job(dotted, "s").search_space:
        assert "." not in azure_name(key)
        assert hydra_key(azure_name(key)) == key


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        (
            "+sweep.search_space.model.learning_rate={type: choice, values: [0.1]}",
            "sweep.search_space.model.learning_rate: gives job.inputs.learning_rate its value, "
            "and so does learning_rate; keep one of them",
        ),
        (
            "+sweep.search_space.model.momentum={type: choice, values: [0.1]}",
            "sweep.search_space.model.momentum: no input of the job takes its value from this key",
        ),
        (
            "+sweep.search_space.model.epochs={type: choice, values: [0]}",
            "sweep.search_space.model.epochs: may draw 0, and model.epochs must be",
        ),
    ],
)
def test_keys_that_cannot_be_swept_are_told(override: str, fault: str) -> None:
    found = faults(config("stage=sweep", "sweep=quick", override))
    assert [line for line in found if line.startswith(fault)] != []
