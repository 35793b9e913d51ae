"""A search space may name a config key; the inputs that take their value from it are swept."""

import pytest

from mnist_exp.azure_form.jobs import KEYS_TAG, sweep_form
from mnist_exp.build import sweep_job
from mnist_exp.checks import faults, warnings
from mnist_exp.experiment import Experiment
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


def test_a_sweep_on_azure_has_a_tag_with_its_dotted_keys(dotted: Experiment) -> None:
    form = sweep_form(sweep_job(dotted, "s"), str)
    assert form["tags"] == {KEYS_TAG: '{"model__epochs": "model.epochs"}'}
    assert set(form["search_space"]) == {"batch_size", "learning_rate", "model__epochs"}
    assert "--epochs ${{search_space.model__epochs}}" in form["trial"]["command"]


def test_a_sweep_without_dotted_keys_has_no_tag() -> None:
    add = "+sweep.search_space.regressor__depth={type: choice, values: [2, 3]}"
    form = sweep_form(sweep_job(config("stage=sweep", "sweep=quick", add), "s"), str)
    assert "tags" not in form
    assert "--regressor--depth ${{search_space.regressor__depth}}" in form["trial"]["command"]


def test_two_keys_with_the_same_name_on_azure_are_one_line() -> None:
    both = (ADD, "+sweep.search_space.model__epochs={type: choice, values: [2, 3]}")
    found = faults(config("stage=sweep", "sweep=quick", *both))
    assert [line for line in found if "where both keys have the name model__epochs" in line] != []


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
