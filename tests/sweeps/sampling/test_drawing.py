import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mnist_exp.sweeps.sampling.algorithms import Sampling, SamplingRule, SamplingType
from mnist_exp.sweeps.sampling.drawing import configurations
from mnist_exp.sweeps.space.expressions import Choice, LogUniform, Normal, Randint, Uniform

SPACE = {
    "batch_size": Choice((32, 64, 128)),
    "learning_rate": LogUniform(-6, -1),
    "model.depth": Randint(5),
}
RULES = list(SamplingRule)


def random_sampling(seed=1, rule=SamplingRule.RANDOM):
    return Sampling(SamplingType.RANDOM, seed, rule)


@pytest.mark.parametrize("rule", RULES)
def test_the_same_seed_gives_the_same_sequence_and_another_seed_another(rule):
    first = list(itertools.islice(configurations(SPACE, random_sampling(1, rule)), 20))
    again = list(itertools.islice(configurations(SPACE, random_sampling(1, rule)), 20))
    other = list(itertools.islice(configurations(SPACE, random_sampling(2, rule)), 20))
    negative = list(itertools.islice(configurations(SPACE, random_sampling(-1, rule)), 20))
    assert first == again
    assert first != other
    assert first != negative


@pytest.mark.parametrize("rule", RULES)
@given(seed=st.integers(-(2**31), 2**31 - 1), order=st.permutations(range(6)))
def test_a_configuration_depends_on_its_index_alone(rule, seed, order):
    straight = configurations(SPACE, random_sampling(seed, rule))
    expected = [straight[index] for index in range(6)]
    resumed = configurations(SPACE, random_sampling(seed, rule))
    assert {index: resumed[index] for index in order} == dict(enumerate(expected))


@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_the_keys_makes_no_difference(rule):
    reversed_space = dict(reversed(SPACE.items()))
    one = configurations(SPACE, random_sampling(rule=rule))
    other = configurations(reversed_space, random_sampling(rule=rule))
    assert [one[i] for i in range(10)] == [other[i] for i in range(10)]
    assert list(other[0]) == list(reversed_space)


@pytest.mark.external
def test_a_configuration_is_the_same_in_every_process():
    code = (
        "from mnist_exp.sweeps.sampling.drawing import configurations as c\n"
        "from mnist_exp.sweeps.sampling.algorithms import Sampling, SamplingType\n"
        "from mnist_exp.sweeps.space.expressions import Choice, Uniform\n"
        "space = {'a': Uniform(0, 1), 'b': Choice(tuple('abc'))}\n"
        "print(c(space, Sampling(SamplingType.RANDOM, 5))[3])"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    space = {"a": Uniform(0, 1), "b": Choice(tuple("abc"))}
    assert seen == {f"{configurations(space, random_sampling(5))[3]}\n"}


@pytest.mark.parametrize("rule", RULES)
def test_draws_are_loguniform_whatever_the_rule(rule):
    drawn = configurations(SPACE, random_sampling(3, rule))
    logs = np.log([drawn[index]["learning_rate"] for index in range(1000)])
    assert stats.kstest(logs, stats.uniform(-6, 5).cdf).pvalue > 0.01


def test_parameters_of_one_configuration_are_independent():
    space = {"a": Uniform(0, 1), "b": Uniform(0, 1)}
    drawn = [configurations(space, random_sampling())[index] for index in range(2000)]
    values = np.array([[one["a"], one["b"]] for one in drawn])
    assert abs(np.corrcoef(values.T)[0, 1]) < 0.06


def test_sobol_spreads_more_evenly_than_random():
    # The first 2^k scrambled Sobol points put exactly one into each interval of length 2^-k.
    drawn = configurations({"a": Uniform(0, 1)}, random_sampling(9, SamplingRule.SOBOL))
    cells = {int(drawn[index]["a"] * 64) for index in range(64)}
    assert len(cells) == 64
    independent = configurations({"a": Uniform(0, 1)}, random_sampling(9))
    assert len({int(independent[index]["a"] * 64) for index in range(64)}) < 64


def test_sobol_covers_the_longest_sweep_with_finite_normals():
    drawn = configurations({"a": Normal(0, 1)}, random_sampling(0, SamplingRule.SOBOL))
    assert all(abs(drawn[index]["a"]) < 9 for index in range(1000))


def test_a_grid_is_every_combination_in_order_and_ends():
    space = {"a": Choice((1, 2)), "b": Choice(("x", "y", "z"))}
    grid = list(configurations(space, Sampling(SamplingType.GRID)))
    assert [(one["a"], one["b"]) for one in grid] == list(itertools.product((1, 2), "xyz"))
    assert list(grid[0]) == ["a", "b"]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_a_grid_of_any_shape_has_each_combination_once(sizes):
    space = {f"k{place}": Choice(tuple(range(size))) for place, size in enumerate(sizes)}
    grid = [tuple(one.values()) for one in configurations(space, Sampling(SamplingType.GRID))]
    assert grid == list(itertools.product(*(range(size) for size in sizes)))


def test_a_chosen_mapping_is_handed_over_as_json():
    space = {"opt": Choice(({"name": "sgd", "beta": 0.5},))}
    assert configurations(space, Sampling(SamplingType.GRID))[0] == {
        "opt": '{"name":"sgd","beta":0.5}'
    }


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="seed"):
        configurations(SPACE, Sampling(SamplingType.RANDOM))
    with pytest.raises(ValueError, match="bayesian"):
        configurations(SPACE, Sampling(SamplingType.BAYESIAN))
    with pytest.raises(ValueError, match="only choice"):
        configurations(SPACE, Sampling(SamplingType.GRID))
    with pytest.raises(IndexError):
        configurations({"a": Choice((1,))}, Sampling(SamplingType.GRID))[1]
