"""Rules of the sweep group."""

from typing import Any

import pytest

from mnist_exp import checks
from tests.checks.rules import LR, Change, Rule, assert_is_one_line, setting
from tests.support.configs import fresh_config

RULES: dict[str, Rule] = {
    "swept name of no input": (
        "sweep",
        setting(sweep__search_space={"lerning_rate": LR}),
        "sweep.search_space.lerning_rate: no input of the job has this name; "
        "did you mean learning_rate?",
    ),
    "swept batch size of none": (
        "sweep",
        setting(sweep__search_space={"batch_size": {"type": "choice", "values": [0, -1]}}),
        "sweep.search_space.batch_size: may draw 0, but model.batch_size must be a whole number "
        "of at least 1",
    ),
    "swept batch size that is a word": (
        "sweep",
        setting(sweep__search_space={"batch_size": {"type": "choice", "values": [32, "abc"]}}),
        "sweep.search_space.batch_size: may draw abc, but",
    ),
    "swept batch size that is broken": (
        "sweep",
        setting(
            sweep__search_space={"batch_size": {"type": "uniform", "min_value": 1, "max_value": 9}}
        ),
        "sweep.search_space.batch_size: may draw 4.056, but",
    ),
    "swept batch size with a broken step among others": (
        "sweep",
        setting(
            sweep__search_space={
                "batch_size": {"type": "quniform", "min_value": 63, "max_value": 81, "q": 12.8}
            }
        ),
        "sweep.search_space.batch_size: may draw 76.8, but",
    ),
    "swept epochs from none on": (
        "all",
        setting(sweep__search_space={"epochs": {"type": "randint", "upper": 3}}),
        "sweep.search_space.epochs: may draw 0, but model.epochs must be",
    ),
    "swept learning rate below zero": (
        "sweep",
        setting(
            sweep__search_space={
                "learning_rate": {"type": "uniform", "min_value": -1, "max_value": 0}
            }
        ),
        "sweep.search_space.learning_rate: may draw -1, but model.learning_rate must be a finite",
    ),
    "swept learning rate that may fall below zero": (
        "sweep",
        setting(sweep__search_space={"learning_rate": {"type": "normal", "mu": 0.1, "sigma": 0.1}}),
        "sweep.search_space.learning_rate: may draw -0.20",
    ),
    "swept optimizer that does not exist": (
        "sweep",
        setting(sweep__search_space={"optimizer": {"type": "choice", "values": ["sgd", "adan"]}}),
        "sweep.search_space.optimizer: may draw adan, but model.optimizer must be one of sgd, ",
    ),
    "sweep": (
        "sweep",
        setting(sweep__limits__max_total_trials=0),
        "sweep.limits.max_total_trials: ",
    ),
}


@pytest.mark.parametrize(("stage", "change", "expected"), RULES.values(), ids=RULES.keys())
def test_a_broken_rule_is_one_line(stage: str, change: Change, expected: str) -> None:
    assert_is_one_line(stage, change, expected)


def test_faults_of_the_sweep_hide_none_of_its_search_space() -> None:
    config = fresh_config("stage=sweep")
    config.sweep.limits.max_total_trials = 0
    config.sweep.sampling_algorithm = {"type": "grid", "seed": 1}
    config.sweep.search_space = {
        "lerning_rate": {"type": "uniform", "min_value": 0, "max_value": 1},
        "batch_size": {"type": "choice", "values": [0]},
        "model-epochs": {"type": "choice", "values": [1]},
    }
    assert [line.partition(": ")[0] for line in checks.faults(config)] == [
        "sweep.sampling_algorithm.seed",
        "sweep.search_space.lerning_rate",
        "sweep.search_space",
        "sweep.limits.max_total_trials",
        "sweep.search_space.lerning_rate",
        "sweep.search_space.batch_size",
    ]


def test_a_script_may_sweep_a_key_that_is_no_input() -> None:
    config = fresh_config("stage=sweep")
    config.sweep.search_space = {"dropout": LR}
    assert checks.faults(config) == []


@pytest.mark.parametrize(
    "space",
    [
        {"batch_size": {"type": "choice", "values": [32, "64"]}},
        {"batch_size": {"type": "qloguniform", "low": 8, "high": 256, "q": 8}},
        {"learning_rate": {"type": "lognormal", "mu": -3, "sigma": 1}},
        {"optimizer": {"type": "choice", "values": ["sgd", "adam"]}},
    ],
    ids=str,
)
def test_values_that_the_model_accepts_may_be_drawn(space: dict[str, Any]) -> None:
    config = fresh_config("stage=sweep")
    config.sweep.search_space = space
    assert checks.faults(config) == []


def test_the_models_rules_do_not_apply_to_an_input_with_a_value_of_its_own() -> None:
    config = fresh_config("stage=sweep")
    # Of the same name and value, but no longer `${model.batch_size}`.
    config.job.inputs["batch_size"] = config.model.batch_size
    del config.sources["batch_size"]
    config.sweep.search_space = {"batch_size": {"type": "choice", "values": [0, "auto"]}}
    assert checks.faults(config) == []


@pytest.mark.parametrize(
    ("key", "values", "fault"),
    [
        ("seed", ["7", 5.0, -1], "seed: may draw -1, but seed must be from 0 to 2147483647;"),
        ("seed", [2, 2.5], "seed: may draw 2.5, but seed must be from 0 to 2147483647;"),
        ("batch_size", [{"a": 1}], "batch_size: may draw {'a': 1}, but model.batch_size must be a"),
        ("batch_size", [10**400], "batch_size.values[0]: must be a number up to 1.79769e+308,"),
        ("x", ["a\0b"], "x.values[0]: must not contain a null character, got 'a\\x00b'"),
        (
            "x",
            [{"type": "randint", "upper": 3}],
            "x.values[0]: must not be an expression without a name, got "
            "{'type': 'randint', 'upper': 3}; write {NAME: {'type': 'randint', 'upper': 3}}",
        ),
        ("checkpoints", ["a"], "checkpoints: job.outputs has the same name, so the"),
    ],
)
def test_a_value_that_would_fail_its_trial_is_a_fault(
    key: str, values: list[Any], fault: str
) -> None:
    config = fresh_config("stage=sweep")
    config.sweep.search_space = {key: {"type": "choice", "values": values}}
    (line,) = checks.faults(config)
    assert line.startswith(f"sweep.search_space.{fault}")


def test_a_choice_may_be_a_mapping_with_a_type() -> None:
    config = fresh_config("stage=sweep")
    options = [{"type": "normal", "stddev": 0.1}, {"type": "glorot"}]
    config.sweep.search_space = {"start": {"type": "choice", "values": options}}
    assert checks.faults(config) == []


def test_a_name_with_another_number_is_no_misspelling() -> None:
    config = fresh_config("stage=sweep")
    config.job.inputs["beta_1"] = 0.9
    config.sweep.search_space = {"beta_2": {"type": "uniform", "min_value": 0, "max_value": 1}}
    assert checks.faults(config) == []
    (line,) = (line for line in checks.warnings(config) if line.startswith("sweep.search_space"))
    assert "the job has no inputs beta_2; train.py must accept --beta-2" in line
    assert "names in `defaults`" in line


def test_a_swept_input_that_the_command_does_not_use_is_a_warning() -> None:
    config = fresh_config("stage=sweep")
    config.job.command, config.job.script = "python fire.py", None
    config.job.inputs = {"lr": 0.1}
    config.sources = {}
    config.sweep.search_space = {"lr": {"type": "choice", "values": [0.1, 0.2]}}
    assert checks.faults(config) == []
    (line,) = (line for line in checks.warnings(config) if line.startswith("sweep.search_space"))
    assert line == (
        "sweep.search_space.lr: job.command does not use this input; "
        "the drawn value is only in the environment variable AZUREML_SWEEP_lr"
    )


def test_a_jobs_time_limit_has_no_effect_on_trials() -> None:
    config = fresh_config("stage=sweep", "job.timeout=60")
    (line,) = checks.warnings(config)
    assert line.startswith("job.timeout: has no effect on trials")
    config.sweep.limits.trial_timeout = 60
    assert checks.warnings(config) == []


def test_a_swept_key_that_is_no_input_is_a_warning_with_its_flag() -> None:
    config = fresh_config("stage=sweep")
    config.sweep.search_space = {"drop_out": LR}
    (line,) = checks.warnings(config)
    assert "the job has no inputs drop_out; train.py must accept --drop-out" in line
