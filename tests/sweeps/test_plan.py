import copy
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from mnist_exp.sweeps import parse_sweep
from mnist_exp.sweeps.limits import Limits
from mnist_exp.sweeps.ranking import Goal, Objective
from mnist_exp.sweeps.sampling.algorithms import Sampling, SamplingType
from mnist_exp.sweeps.space.expressions import Choice, LogUniform
from mnist_exp.sweeps.stopping.parse import BanditPolicy

TUTORIAL = {
    "sampling_algorithm": {"type": "random", "seed": 1, "rule": "random"},
    "search_space": {
        "batch_size": {"type": "choice", "values": [32, 64, 128]},
        "learning_rate": {"type": "loguniform", "min_value": -6, "max_value": -1},
    },
    "objective": {"primary_metric": "validation_acc", "goal": "Maximize"},
    "limits": {"max_total_trials": 8, "max_concurrent_trials": 4, "timeout": None},
    "early_termination": {"type": "bandit", "slack_factor": 0.1, "evaluation_interval": 2},
}


def changed(**parts):
    raw = copy.deepcopy(TUTORIAL)
    for key, value in parts.items():
        raw[key] = {**raw[key], **value} if isinstance(value, dict) else value
    return raw


def test_the_tutorials_sweep_is_read_whole():
    plan, faults = parse_sweep(TUTORIAL)
    assert faults == []
    assert plan.search_space == {
        "batch_size": Choice((32, 64, 128)),
        "learning_rate": LogUniform(-6, -1),
    }
    assert plan.sampling == Sampling(SamplingType.RANDOM, 1)
    assert plan.objective == Objective("validation_acc", Goal.MAXIMIZE)
    assert plan.limits == Limits(8, 4)
    assert plan.early_termination == BanditPolicy(slack_factor=0.1, evaluation_interval=2)
    assert plan.warnings == ()


def test_a_dataclass_is_read_as_well():
    @dataclass
    class Config:
        sampling_algorithm: dict[str, Any]
        search_space: dict[str, Any]
        objective: dict[str, Any]
        limits: dict[str, Any]
        early_termination: dict[str, Any] | None = field(default=None)

    assert parse_sweep(Config(**TUTORIAL)) == parse_sweep(TUTORIAL)


def test_no_policy_and_an_empty_one_are_the_same():
    assert parse_sweep(changed(early_termination=None))[0].early_termination is None
    assert parse_sweep({**TUTORIAL, "early_termination": {}})[0].early_termination is None


def test_every_part_is_missed_when_there_is_nothing():
    plan, faults = parse_sweep({})
    assert plan is None
    assert len(faults) == 5


def test_faults_of_all_parts_come_in_one_go():
    raw = changed(
        sampling_algorithm={"rule": "sobul"},
        search_space={"x": {"type": "randint", "upper": 0}},
        objective={"goal": "up"},
        limits={"max_total_trials": 0},
        early_termination={"slack_factor": 0},
    )
    plan, faults = parse_sweep(raw)
    assert plan is None
    assert [line.split(":")[0] for line in faults] == [
        "sweep.sampling_algorithm.rule",
        "sweep.search_space.x.upper",
        "sweep.objective.goal",
        "sweep.limits.max_total_trials",
        "sweep.early_termination",
    ]


def test_a_grid_over_a_continuous_space_is_refused():
    raw = {**TUTORIAL, "sampling_algorithm": {"type": "grid"}}
    assert parse_sweep(raw)[1] == [
        "sweep.search_space.learning_rate: grid sampling supports only choice, got loguniform; "
        "use sweep.sampling_algorithm.type=random"
    ]


def test_the_samplings_base_reaches_the_expressions():
    plan, _ = parse_sweep(changed(sampling_algorithm={"logbase": 10}))
    assert plan.search_space["learning_rate"].base == 10


def test_bounds_that_look_like_actual_values_are_warned_about():
    entry = {"type": "loguniform", "min_value": 0.001, "max_value": 0.1}
    plan, _ = parse_sweep(changed(search_space={"learning_rate": entry}))
    assert plan.warnings == (
        "sweep.search_space.learning_rate: values will be between 1.001 and 1.105, "
        "because min_value and max_value are logarithms; to give the bounds themselves, use the "
        "keys low and high",
    )


def test_a_space_of_fewer_or_more_configurations_than_trials_is_warned_about():
    space = {"a": {"type": "choice", "values": [1, 2, 3]}, "b": {"type": "randint", "upper": 2}}
    few, _ = parse_sweep({**TUTORIAL, "search_space": space})
    assert "the space has only 6 configurations, so some of the 8 trials" in few.warnings[0]
    space = {key: {"type": "choice", "values": [1, 2, 3]} for key in "abc"}
    raw = {**TUTORIAL, "search_space": space, "sampling_algorithm": {"type": "grid"}}
    many, _ = parse_sweep(raw)
    assert "the grid has 27 configurations, but only 8 trials will run" in many.warnings[0]


@pytest.mark.external
def test_reading_a_sweep_loads_neither_numpy_nor_scipy():
    code = (
        "import sys, mnist_exp.sweeps, mnist_exp.sweeps.tuner\n"
        "print({'numpy', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
