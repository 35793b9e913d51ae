"""A search space may name a config key; the inputs that take their value from it are swept."""

import pytest

from mnist_exp.build import sweep_job
from mnist_exp.checks import faults, warnings
from mnist_exp.experiment import Experiment
from mnist_exp.sweeps.space.keys import azure_name, hydra_key
from tests.support.configs import config

ADD = "+sweep.search_space.model.epochs={type: choice, values: [2, 3]}"


@pytest.fixture
def dotted() -> Experiment:
    return config("stage=sweep", "sweep=quick", ADD)


def test_composition_notes_the_sources_of_inputs(dotted: Experiment) -> None:
    assert dotted.sources["epochs"] == "model.epochs"
    assert dotted.sources["seed"] == "seed"
    assert "data_folder" not in dotted.sources


def test_the_input_gets_the_drawn_value_under_its_own_flag(dotted: Experiment) -> None:
    job = sweep_job(dotted, "s")
    assert "--epochs {{search_space.model.epochs}}" in job.trial.command
    assert "epochs" not in job.trial.inputs
    assert set(job.search_space) == {"batch_size", "learning_rate", "model.epochs"}
    assert faults(dotted) == []
    assert not [line for line in warnings(dotted) if "model.epochs" in line]


def test_the_name_for_azure_can_be_turned_back(dotted: Experiment) -> None:
    for key in sweep_job(dotted, "s").search_space:
        assert "." not in azure_name(key)
        assert hydra_key(azure_name(key)) == key


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        (
            "+sweep.search_space.model.learning_rate={type: choice, values: [0.1]}",
            "sweep.search_space.model.learning_rate: sets job.inputs.learning_rate, "
            "but learning_rate also sets this input; remove one of the two keys",
        ),
        (
            "+sweep.search_space.model.momentum={type: choice, values: [0.1]}",
            "sweep.search_space.model.momentum: no input of the job uses the value of this key",
        ),
        (
            "+sweep.search_space.model.epochs={type: choice, values: [0]}",
            "sweep.search_space.model.epochs: may draw 0, but model.epochs must be",
        ),
    ],
)
def test_keys_that_cannot_be_swept_are_reported(override: str, fault: str) -> None:
    found = faults(config("stage=sweep", "sweep=quick", override))
    assert [line for line in found if line.startswith(fault)] != []
