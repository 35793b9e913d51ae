import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

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

UNIT = st.floats(0, 1, exclude_max=True)
DRAWS = np.random.default_rng(7).random(10_000)


def draw(expression):
    return np.array([expression.value(float(u)) for u in DRAWS])


# Section 1's formulas, by hand at the middle of the unit interval.
@pytest.mark.parametrize(
    ("expression", "middle"),
    [
        (Choice((16, 64, 256)), 64),
        (Randint(10), 5),
        (Uniform(2, 4), 3),
        (QUniform(0, 10, 3), 6),  # round(5 / 3) * 3
        (LogUniform(-6, -1), math.exp(-3.5)),
        (QLogUniform(0, 4, 2), 8),  # exp(2) = 7.389, round(3.69) * 2
        (Normal(1, 5), 1),
        (QNormal(7, 5, 5), 5),  # round(7 / 5) * 5
        (LogNormal(0.5, 2), math.exp(0.5)),
        (QLogNormal(2, 1, 5), 5),  # round(7.389 / 5) * 5
        (LogUniform(-4, 0, base=10), 0.01),
        (LogNormal(2, 1, base=10), 100),
    ],
)
def test_the_middle_of_each_expression(expression, middle):
    assert expression.value(0.5) == pytest.approx(middle, rel=1e-12)


def test_the_seed_tutorials_loguniform_stays_in_its_bounds_and_is_loguniform():
    values = draw(LogUniform(-6, -1))
    assert values.min() >= 0.00247
    assert values.max() <= 0.36788
    assert stats.kstest(np.log(values), stats.uniform(-6, 5).cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("expression", "distribution"),
    [
        (Uniform(-2, 3), stats.uniform(-2, 5)),
        (Normal(1, 2), stats.norm(1, 2)),
        (LogNormal(1, 0.5), stats.lognorm(0.5, scale=math.e)),
    ],
)
def test_continuous_draws_follow_their_distribution(expression, distribution):
    assert stats.kstest(draw(expression), distribution.cdf).pvalue > 0.01


@pytest.mark.parametrize(
    "expression", [QUniform(0, 1, 0.1), QLogUniform(0, 5, 4), QNormal(0, 9, 2), QLogNormal(1, 1, 3)]
)
def test_quantized_draws_are_multiples_of_q(expression):
    steps = draw(expression) / expression.q
    assert np.abs(steps - np.round(steps)).max() < 1e-9


@pytest.mark.parametrize(("expression", "count"), [(Choice(("a", "b", "c")), 3), (Randint(7), 7)])
def test_discrete_draws_are_even(expression, count):
    _, counts = np.unique(draw(expression), return_counts=True)
    assert len(counts) == count
    assert stats.chisquare(counts).pvalue > 0.01


def test_randint_excludes_its_upper_end():
    assert set(draw(Randint(3))) == {0, 1, 2}


def test_rounding_to_q_may_step_over_a_bound():
    assert QUniform(0.04, 1, 0.1).value(0.0) == 0.0


def test_a_q_below_the_floats_resolution_changes_nothing():
    assert QUniform(1, 2, 1e-320).value(0.5) == 1.5


@given(UNIT, st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_uniform_is_bounded_by_its_ends(u, low, width):
    high = low + width
    assert low <= Uniform(low, high).value(u) <= high


@given(UNIT, st.floats(-80, 80), st.floats(1e-3, 8))
def test_loguniform_is_bounded_by_what_its_ends_stand_for(u, low, width):
    value = LogUniform(low, low + width).value(u)
    assert math.exp(low) * (1 - 1e-12) <= value <= math.exp(low + width) * (1 + 1e-12)


@given(UNIT, st.floats(-10, 10), st.floats(1e-3, 10))
def test_normal_draws_are_finite_even_at_the_ends(u, mu, sigma):
    for value in (Normal(mu, sigma).value(u), LogNormal(mu, sigma).value(u)):
        assert math.isfinite(value)


@given(UNIT, UNIT)
def test_every_continuous_expression_grows_with_u(one, other):
    low, high = sorted((one, other))
    for expression in (Uniform(0, 1), LogUniform(-3, 3), Normal(0, 1), LogNormal(0, 1)):
        assert expression.value(low) <= expression.value(high)


@given(UNIT, st.integers(1, 2**53))
def test_randint_is_below_upper(u, upper):
    assert 0 <= Randint(upper).value(u) < upper


def test_a_chosen_mapping_draws_its_own_expressions():
    space = Choice(
        ({"name": "sgd"}, {"name": "momentum", "beta": Uniform(0.5, 1), "k": Randint(9)})
    )
    assert space.value(0.2) == {"name": "sgd"}
    first, second = space.value(0.6), space.value(0.61)
    assert first["name"] == "momentum"
    assert 0.5 <= first["beta"] <= 1
    assert first == space.value(0.6)
    assert first["beta"] != second["beta"]
    assert space.has_subspace
    assert not Choice((1, {"a": 2})).has_subspace


def test_draws_of_a_subspace_are_independent_and_even():
    space = Choice((0, {"a": Uniform(0, 1), "b": Uniform(0, 1)}))
    drawn = [value for u in DRAWS if isinstance(value := space.value(float(u)), dict)]
    a, b = np.array([v["a"] for v in drawn]), np.array([v["b"] for v in drawn])
    assert stats.kstest(a, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("expression", "field", "rule"),
    [
        (Uniform(1, 1), "", "min_value must be below max_value, got 1 and 1"),
        (Uniform(-1.7e308, 1.7e308), "", "must be a finite number"),
        (QUniform(0, 1, 0), "q", "must be above 0, got 0"),
        (LogUniform(-1, -6), "", "min_value must be below max_value, got -1 and -6"),
        (QLogUniform(16, 512, 1), "max_value", "e^512"),
        (LogUniform(-6, 40, base=10), "max_value", "10^40"),
        (LogUniform(-1000, 0), "min_value", "e^-1000"),
        (QLogUniform(0, 1, -1), "q", "must be above 0, got -1"),
        (Normal(0, 0), "sigma", "must be above 0, got 0"),
        (Normal(0, 1e308), "", "infinite"),
        (QNormal(0, 1, 0), "q", "above 0"),
        (LogNormal(0, 100), "", "infinite"),
        (QLogNormal(0, 1, 0), "q", "above 0"),
    ],
)
def test_broken_rules_are_named(expression, field, rule):
    faults = list(expression.faults())
    assert [name for name, _ in faults] == [field]
    assert rule in faults[0][1]
