"""Rules of the model group."""

import pytest

from tests.checks.rules import Change, Rule, assert_is_one_line, setting

RULES: dict[str, Rule] = {
    "neurons": (
        "train",
        setting(model__first_layer_neurons=0),
        "model.first_layer_neurons: must be a whole number of at least 1, got 0",
    ),
    "more neurons": (
        "train",
        setting(model__second_layer_neurons=-1),
        "model.second_layer_neurons: must be",
    ),
    "batch size": ("train", setting(model__batch_size=0), "model.batch_size: must be a whole"),
    "epochs without end": (
        "train",
        setting(model__epochs=10**20),
        "model.epochs: must be at most 1000000, got 100000000000000000000",
    ),
    "epochs": ("train", setting(model__epochs=0), "model.epochs: must be a whole number"),
    "learning rate nan": (
        "train",
        setting(model__learning_rate=float("nan")),
        "model.learning_rate: must be a finite number above 0, got nan",
    ),
    "learning rate inf": (
        "train",
        setting(model__learning_rate=float("inf")),
        "model.learning_rate: must be a finite",
    ),
    "learning rate zero": (
        "train",
        setting(model__learning_rate=0.0),
        "model.learning_rate: must be a finite number above 0, got 0.0",
    ),
}


@pytest.mark.parametrize(("stage", "change", "expected"), RULES.values(), ids=RULES.keys())
def test_a_broken_rule_is_one_line(stage: str, change: Change, expected: str) -> None:
    assert_is_one_line(stage, change, expected)
