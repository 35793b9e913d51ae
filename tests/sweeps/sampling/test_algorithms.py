import math

import pytest

from mnist_exp.sweeps.sampling.algorithms import (
    Sampling,
    SamplingRule,
    SamplingType,
    check_sampling,
    parse_sampling,
    with_seed,
)
from mnist_exp.sweeps.space.expressions import Choice, QUniform, Uniform
from mnist_exp.sweeps.space.parse import EXPRESSIONS

SAMPLE = {
    kind.type: kind(*[(1,) if kind is Choice else 1] * n)
    for kind, n in zip(EXPRESSIONS.values(), [1, 1, 2, 3, 2, 3, 2, 3, 2, 3], strict=True)
}


def test_a_sampling_algorithm_is_read_with_its_defaults():
    assert parse_sampling({"type": "random"}) == (Sampling(SamplingType.RANDOM), [])
    full = {"type": "Random", "seed": 3, "rule": "sobol", "logbase": 10}
    expected = Sampling(SamplingType.RANDOM, 3, SamplingRule.SOBOL, 10.0)
    assert parse_sampling(full) == (expected, [])
    assert parse_sampling({"type": "random", "logbase": "e"})[0].logbase == math.e
    assert parse_sampling({"type": "random", "logbase": 0.5})[0].logbase == 0.5
    assert parse_sampling({"type": "random", "seed": -(2**31)})[0].seed == -(2**31)
    assert parse_sampling({"type": "grid", "seed": None}) == (Sampling(SamplingType.GRID), [])


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        ({}, "sweep.sampling_algorithm.type: a sampling algorithm needs this key"),
        ({"type": "randm"}, "must be one of random, grid, bayesian, got 'randm'; did you mean"),
        (
            {"type": "random", "seed": -(2**31) - 1},
            "seed: must be a whole number, from -2147483648 to 2147483647",
        ),
        ({"type": "random", "rule": "sobl"}, "did you mean 'sobol'?"),
        ({"type": "random", "logbase": 1}, "logbase: must be 'e' or a number above 0 except 1"),
        ({"type": "random", "logbase": 0}, "logbase: must be above 0"),
        ({"type": "random", "logbase": -2}, "logbase: must be above 0"),
        ({"type": "random", "logbase": "ten"}, "logbase: must be a number"),
        ({"type": "random", "sed": 1}, "did you mean 'seed'?"),
        ({"type": "grid", "seed": 1}, "remove this key with ~sweep.sampling_algorithm.seed"),
    ],
)
def test_a_broken_rule_is_reported(raw, part):
    assert part in parse_sampling(raw)[1][0]


def test_a_type_alone_is_azures_short_form():
    assert parse_sampling("Grid") == (Sampling(SamplingType.GRID), [])
    for wrong in ("gird", 5, ["grid"]):
        assert "must be one of random, grid, bayesian" in parse_sampling(wrong)[1][0]


def test_what_can_be_read_beside_a_fault_is():
    sampling, faults = parse_sampling({"type": "grid", "seed": "x"})
    assert (sampling, len(faults)) == (Sampling(SamplingType.GRID), 1)
    assert len(parse_sampling({"type": "randm", "seed": "x", "rule": "y"})[1]) == 3


@pytest.mark.parametrize(
    ("kind", "fits"),
    [
        (SamplingType.RANDOM, set(EXPRESSIONS)),
        (SamplingType.GRID, {"choice"}),
        (SamplingType.BAYESIAN, {"choice", "uniform", "quniform"}),
    ],
)
def test_each_algorithm_takes_the_expressions_that_azure_lets_it(kind, fits):
    for word, expression in SAMPLE.items():
        faults = [
            line for line in check_sampling(Sampling(kind), {"x": expression}) if ".x" in line
        ]
        assert (not faults) == (word in fits)


def test_the_fault_names_key_and_remedy():
    assert check_sampling(Sampling(SamplingType.GRID), {"lr": Uniform(0, 1)}) == [
        "sweep.search_space.lr: grid sampling supports only choice, got uniform; "
        "use sweep.sampling_algorithm.type=random"
    ]


def test_a_grid_takes_no_expressions_inside_a_choice():
    space = {"x": Choice(({"a": Uniform(0, 1)},))}
    assert "inside the values of a choice" in check_sampling(Sampling(SamplingType.GRID), space)[0]


def test_bayesian_takes_choice_uniform_and_quniform():
    space = {"x": QUniform(0, 1, 0.1), "y": Uniform(0, 1), "z": Choice((1, 2))}
    assert check_sampling(Sampling(SamplingType.BAYESIAN), space) == []


def test_a_missing_seed_is_drawn_once_and_a_given_one_kept():
    drawn = with_seed(Sampling(SamplingType.RANDOM))
    assert 0 <= drawn.seed < 2**31
    assert with_seed(drawn) is drawn
    assert with_seed(Sampling(SamplingType.RANDOM)).seed != drawn.seed
