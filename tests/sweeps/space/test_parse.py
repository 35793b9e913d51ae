import math

import pytest

from mnist_exp.sweeps.space.expressions import (
    Choice,
    LogNormal,
    LogUniform,
    Normal,
    QLogNormal,
    QLogUniform,
    QNormal,
    QUniform,
    Randint,
    Uniform,
)
from mnist_exp.sweeps.space.parse import EXPRESSIONS, parse_search_space


def faults_of(entry, key="x"):
    space, faults = parse_search_space({key: entry})
    assert faults
    assert space == {}
    return faults


@pytest.mark.parametrize(
    ("entry", "expression"),
    [
        ({"type": "choice", "values": [1, 0.5, "a"]}, Choice((1, 0.5, "a"))),
        ({"type": "choice", "values": [{"k": 1}]}, Choice(({"k": 1},))),
        ({"type": "randint", "upper": 8}, Randint(8)),
        ({"type": "uniform", "min_value": 0, "max_value": 1}, Uniform(0, 1)),
        ({"type": "quniform", "min_value": 0, "max_value": 1, "q": 0.1}, QUniform(0, 1, 0.1)),
        ({"type": "loguniform", "min_value": -6, "max_value": -1}, LogUniform(-6, -1)),
        ({"type": "qloguniform", "min_value": 0, "max_value": 5, "q": 2}, QLogUniform(0, 5, 2)),
        ({"type": "normal", "mu": 1, "sigma": 2}, Normal(1, 2)),
        ({"type": "qnormal", "mu": 1, "sigma": 2, "q": 3}, QNormal(1, 2, 3)),
        ({"type": "lognormal", "mu": 1, "sigma": 2}, LogNormal(1, 2)),
        ({"type": "qlognormal", "mu": 1, "sigma": 2, "q": 3}, QLogNormal(1, 2, 3)),
    ],
)
def test_each_expression_is_read(entry, expression):
    assert parse_search_space({"x": entry}) == ({"x": expression}, [])


def test_there_are_azures_ten_expressions():
    assert len(EXPRESSIONS) == 10


def test_actual_bounds_are_turned_into_logarithms():
    entry = {"type": "loguniform", "low": 0.001, "high": 0.1}
    space, faults = parse_search_space({"x": entry})
    assert faults == []
    assert space["x"].value(0.0) == pytest.approx(0.001)
    assert space["x"].value(0.5) == pytest.approx(0.01)
    assert space["x"].min_value == pytest.approx(math.log(0.001))


def test_actual_bounds_mean_the_same_in_any_base():
    entry = {"type": "qloguniform", "low": 10, "high": 1000, "q": 1}
    space, _ = parse_search_space({"x": entry}, logbase=10.0)
    assert space["x"].min_value == pytest.approx(1)
    assert space["x"].max_value == pytest.approx(3)
    assert space["x"].value(0.5) == 100
    # With a base below 1, the larger bound has the smaller logarithm.
    inverse, faults = parse_search_space({"x": entry}, logbase=0.1)
    assert faults == []
    assert (inverse["x"].min_value, inverse["x"].max_value) == pytest.approx((-3, -1))
    assert [inverse["x"].value(u) for u in (0, 0.5, 1)] == [1000, 100, 10]


def test_a_nested_space_of_the_command_line_is_a_dotted_one():
    entry = {"type": "randint", "upper": 3}
    space, faults = parse_search_space({"model": {"depth": entry, "type": entry}, "seed": entry})
    assert faults == []
    assert list(space) == ["model.depth", "model.type", "seed"]


def test_the_same_key_nested_and_dotted_is_a_fault():
    entry = {"type": "randint", "upper": 3}
    _, faults = parse_search_space({"model": {"depth": entry}, "model.depth": entry})
    assert faults == [
        "sweep.search_space.model.depth: must be given only once, got a nested and a dotted key; "
        "remove one of these keys"
    ]


def test_a_choice_may_hold_a_subspace():
    entry = {
        "type": "choice",
        "values": [{"beta": {"type": "uniform", "min_value": 0, "max_value": 1}}],
    }
    space, faults = parse_search_space({"x": entry})
    assert faults == []
    assert space["x"] == Choice(({"beta": Uniform(0, 1)},))


def test_a_fault_in_a_subspace_is_located():
    entry = {
        "type": "choice",
        "values": [{"beta": {"type": "uniform", "min_value": 1, "max_value": 0}}],
    }
    assert faults_of(entry) == [
        "sweep.search_space.x.values[0].beta: min_value must be below max_value, got 1 and 0"
    ]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (True, "must not be a boolean on Azure ML, got True; write 'true'"),
        ([1], "must be a number, a string or a mapping, got [1]"),
        (None, "must be a number, a string or a mapping, got null"),
        (float("inf"), "must be a finite number, got inf"),
    ],
)
def test_a_value_in_a_subspace_has_the_rules_of_any(value, fault):
    entry = {"type": "choice", "values": [{"beta": value}]}
    assert faults_of(entry) == [f"sweep.search_space.x.values[0].beta: {fault}"]


def test_the_message_of_swapped_bounds_is_the_one_that_was_promised():
    entry = {"type": "loguniform", "min_value": 0.1, "max_value": 0.01}
    assert faults_of(entry, "learning_rate") == [
        "sweep.search_space.learning_rate: min_value must be below max_value, got 0.1 and 0.01"
    ]


def test_a_field_left_over_on_a_choice_is_named_with_its_remedy():
    entry = {"type": "choice", "values": [1], "min_value": -6}
    assert faults_of(entry) == [
        "sweep.search_space.x.min_value: the keys of choice are values, got min_value=-6; "
        "remove this key with ~sweep.search_space.x.min_value"
    ]


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ({"type": "unifrm"}, "did you mean 'uniform'?"),
        ({"type": "LogUniform", "min_value": -1, "max_value": 0}, "did you mean 'loguniform'?"),
        ({"type": 3}, "x.type: must be one of choice, randint"),
        ({"values": [1, 2]}, "x.type: must be one of choice, randint"),
        ({}, "x.type: must be one of"),
        (3, "must be a mapping with a type, got 3"),
        (None, "must be a mapping with a type, got null"),
        ([1, 2], "write {type: choice"),
        ({"type": "uniform", "min_value": 0}, "x.max_value: uniform needs this key"),
        ({"type": "uniform", "min_value": 0, "max_value": "1"}, "must be a number, got '1'"),
        ({"type": "uniform", "min_value": 0, "max_value": math.nan}, "finite"),
        ({"type": "uniform", "min_value": 0, "max_value": math.inf}, "finite"),
        ({"type": "uniform", "min_value": True, "max_value": 2}, "must be a number, got True"),
        ({"type": "quniform", "min_value": 0, "max_value": 1, "q": 0}, "x.q: must be above 0"),
        ({"type": "quniform", "min_value": 0, "max_value": 1}, "x.q: quniform needs this key"),
        ({"type": "normal", "mu": 0, "sigma": -1}, "x.sigma: must be above 0, got -1"),
        ({"type": "randint", "upper": 0}, "x.upper: must be a whole number"),
        ({"type": "randint", "upper": 2.5}, "x.upper: must be a whole number"),
        ({"type": "randint"}, "x.upper: randint needs this key"),
        ({"type": "choice"}, "x.values: choice needs this key"),
        ({"type": "choice", "values": []}, "at least one value, got []"),
        ({"type": "choice", "values": 3}, "must be a list"),
        ({"type": "choice", "values": "abc"}, "must be a list"),
        ({"type": "choice", "values": [True]}, "values[0]: must not be a boolean"),
        ({"type": "choice", "values": [1, None]}, "values[1]: must be a number, a string"),
        ({"type": "choice", "values": [[1]]}, "values[0]: must be a number, a string"),
        ({"type": "choice", "values": [math.nan]}, "values[0]: must be a finite number, got nan"),
        ({"type": "choice", "values": [{"a": {"b": 1}}]}, "values[0].a: must be a value or"),
        ({"type": "qloguniform", "min_value": 16, "max_value": 512, "q": 1}, "low and high"),
        ({"type": "loguniform", "low": 0, "high": 1}, "x.low: must be above 0, got 0"),
        ({"type": "loguniform", "low": 1, "high": 0.1}, "low must be below high, got 1 and 0.1"),
        ({"type": "loguniform", "low": 1}, "x.high: a pair of bounds needs this key"),
        ({"type": "uniform", "low": 1, "high": 2}, "with ~sweep.search_space.x.low"),
    ],
)
def test_a_broken_rule_is_reported(entry, part):
    assert any(part in line for line in faults_of(entry))


def test_logarithms_and_actual_bounds_exclude_each_other():
    entry = {"type": "loguniform", "low": 1, "high": 2, "min_value": -6, "max_value": -1}
    faults = faults_of(entry)
    assert len(faults) == 2
    assert "remove this key with ~sweep.search_space.x.min_value" in faults[0]


def test_an_empty_space_is_a_fault():
    assert "at least one parameter" in parse_search_space({})[1][0]


def test_a_bad_name_is_a_fault_beside_those_of_its_expression():
    _, faults = parse_search_space({"2nd": {"type": "randint", "upper": 0}})
    assert len(faults) == 2


def test_every_fault_comes_in_one_go_and_good_entries_survive():
    space, faults = parse_search_space(
        {
            "a": {"type": "randint", "upper": 0},
            "b": {"type": "uniform", "min_value": 1, "max_value": 0},
            "c": {"type": "randint", "upper": 4},
        }
    )
    assert space == {"c": Randint(4)}
    assert len(faults) == 2


@pytest.mark.parametrize(
    ("entry", "count"),
    [
        ({"type": "uniform", "min_value": 1, "max_value": 0, "x": 1}, 2),
        ({"type": "quniform", "min_value": 1, "max_value": 0, "q": "x"}, 2),
        ({"type": "quniform", "min_value": "x", "max_value": 0, "q": -1}, 2),
        ({"type": "qlognormal", "mu": "x", "sigma": -1, "q": -1}, 3),
        ({"type": "qloguniform", "low": 2, "high": 1, "q": 0}, 2),
        ({"type": "qloguniform", "low": 0, "high": "x"}, 3),
    ],
)
def test_no_fault_of_an_expression_hides_another(entry, count):
    assert len(faults_of(entry)) == count
