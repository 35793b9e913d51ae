import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_exp.sweeps.ranking import Goal
from mnist_exp.sweeps.stopping.parse import (
    BanditPolicy,
    MedianStoppingPolicy,
    TruncationSelectionPolicy,
    parse_policy,
)
from mnist_exp.sweeps.stopping.policy import readable

POLICIES = st.one_of(
    st.builds(
        BanditPolicy,
        evaluation_interval=st.integers(0, 3),
        delay_evaluation=st.integers(0, 4),
        slack_factor=st.floats(0.01, 2),
    ),
    st.builds(BanditPolicy, slack_amount=st.floats(0.01, 2)),
    st.builds(MedianStoppingPolicy, evaluation_interval=st.integers(0, 3)),
    st.builds(TruncationSelectionPolicy, truncation_percentage=st.integers(1, 99)),
)
VALUES = st.floats(-1e6, 1e6) | st.just(math.nan)
HISTORIES = st.dictionaries(st.integers(0, 8), st.lists(VALUES, min_size=1, max_size=6), min_size=1)
GOALS = st.sampled_from(list(Goal))


@pytest.mark.parametrize(
    ("interval", "delay", "applied"),
    [
        (2, 0, [2, 4, 6]),
        (1, 5, [5, 6, 7]),
        (2, 5, [6]),
        (0, 0, [1, 2, 3, 4, 5, 6, 7]),
        (3, 3, [3, 6]),
    ],
)
def test_a_policy_applies_at_multiples_from_the_delay_on(interval, delay, applied):
    policy = MedianStoppingPolicy(evaluation_interval=interval, delay_evaluation=delay)
    assert [n for n in range(1, 8) if policy.applies_at(n)] == applied


@given(POLICIES, HISTORIES, GOALS, st.integers(1, 6))
def test_the_best_is_never_cut_except_by_truncation(policy, histories, goal, interval):
    reached = {
        trial: values[:interval] for trial, values in histories.items() if len(values) >= interval
    }
    scores = {trial: goal.best_or_worst(values) for trial, values in reached.items()}
    for trial, score in scores.items():
        is_best = not any(goal.is_better(other, score) for other in scores.values())
        if is_best and policy.type != "truncation_selection":
            assert policy.decide(trial, interval, histories, goal) is None


@given(POLICIES, HISTORIES, GOALS, st.integers(1, 6), st.data())
def test_later_events_and_trials_that_are_behind_change_no_decision(
    policy, histories, goal, interval, data
):
    trial = data.draw(st.sampled_from(sorted(histories)))
    decision = policy.decide(trial, interval, histories, goal)
    more = data.draw(st.lists(VALUES, max_size=3))
    longer = {
        index: values + more if len(values) >= interval else values
        for index, values in reversed(histories.items())
    }
    behind = {**longer, 99: [0.0] * (interval - 1)}
    assert policy.decide(trial, interval, behind, goal) == decision


@given(POLICIES, HISTORIES, st.integers(1, 6), st.data())
def test_minimize_is_the_mirror_of_maximize_but_for_ratios(policy, histories, interval, data):
    if isinstance(policy, BanditPolicy) and policy.slack_factor:
        return
    trial = data.draw(st.sampled_from(sorted(histories)))
    mirrored = {index: [-value for value in values] for index, values in histories.items()}
    one = policy.decide(trial, interval, histories, Goal.MAXIMIZE)
    other = policy.decide(trial, interval, mirrored, Goal.MINIMIZE)
    assert (one is None) == (other is None)


def test_a_trial_alone_is_never_cut():
    for policy in (
        BanditPolicy(slack_factor=0.1),
        MedianStoppingPolicy(),
        TruncationSelectionPolicy(truncation_percentage=99),
    ):
        assert policy.decide(0, 1, {0: [math.nan]}, Goal.MAXIMIZE) is None


def test_a_trial_without_a_number_is_worse_than_any():
    histories = {0: [math.nan, math.nan], 1: [0.1, 0.1], 2: [0.1, 0.1]}
    for policy in (
        BanditPolicy(slack_factor=0.5),
        BanditPolicy(slack_amount=5),
        MedianStoppingPolicy(),
        TruncationSelectionPolicy(truncation_percentage=40),
    ):
        for goal in Goal:
            cut = policy.decide(0, 2, histories, goal)
            assert cut
            assert cut.reason.startswith("nan")


def test_an_interval_that_the_trial_has_not_reached_decides_nothing():
    assert MedianStoppingPolicy().decide(0, 2, {0: [0.0], 1: [9, 9]}, Goal.MAXIMIZE) is None


def test_numbers_are_shown_with_the_digits_that_tell_them_apart():
    assert readable(0.612, 0.801 / 1.1, 0.801) == ["0.612", "0.728", "0.801"]
    assert readable(0.72812, 0.72814) == ["0.72812", "0.72814"]
    assert readable(1.0, 1.0) == ["1", "1"]


@pytest.mark.parametrize(
    ("raw", "policy"),
    [
        (None, None),
        ({"type": "bandit", "slack_factor": 0.1}, BanditPolicy(slack_factor=0.1)),
        (
            {"type": "bandit", "slack_factor": 0, "slack_amount": 0.2, "evaluation_interval": 2},
            BanditPolicy(slack_amount=0.2, evaluation_interval=2),
        ),
        (
            {"type": "median_stopping", "delay_evaluation": 5},
            MedianStoppingPolicy(delay_evaluation=5),
        ),
        (
            {"type": "truncation_selection", "truncation_percentage": 20},
            TruncationSelectionPolicy(truncation_percentage=20),
        ),
    ],
)
def test_a_policy_is_read(raw, policy):
    assert parse_policy(raw) == (policy, [])


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        ({}, "early_termination.type: must be one of bandit, median_stopping"),
        ({"type": "bandt"}, "did you mean 'bandit'?"),
        ({"type": None}, "to run without a policy, set sweep.early_termination=null"),
        ({"type": ["bandit"]}, "must be one of"),
        ({"type": "bandit"}, "needs either slack_factor or slack_amount"),
        (
            {"type": "bandit", "slack_factor": 0, "slack_amount": 0},
            "got slack_factor 0 and slack_amount 0",
        ),
        (
            {"type": "bandit", "slack_factor": 0.1, "slack_amount": 0.1},
            "slack_factor 0.1 and slack_amount 0.1",
        ),
        ({"type": "bandit", "slack_factor": -1}, "slack_factor: must be above 0, got -1"),
        ({"type": "bandit", "slack_factor": "x"}, "slack_factor: must be a number"),
        ({"type": "bandit", "slack_factor": 1, "evaluation_interval": -1}, "at least 0, got -1"),
        ({"type": "bandit", "slack_factor": 1, "delay_evaluation": 0.5}, "whole number"),
        (
            {"type": "median_stopping", "slack_factor": 0.1},
            "remove this key with ~sweep.early_termination.slack_factor",
        ),
        ({"type": "truncation_selection"}, "truncation_percentage: truncation_selection needs"),
        ({"type": "truncation_selection", "truncation_percentage": 0}, "from 1 to 99, got 0"),
        ({"type": "truncation_selection", "truncation_percentage": 100}, "from 1 to 99, got 100"),
        (
            {
                "type": "truncation_selection",
                "truncation_percentage": 5,
                "exclude_finished_jobs": True,
            },
            "exclude_finished_jobs: the keys of truncation_selection are",
        ),
    ],
)
def test_a_faulty_policy_is_reported(raw, part):
    policy, faults = parse_policy(raw)
    assert policy is None
    assert any(part in line for line in faults)


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        (
            {"slack_factor": -1, "evaluation_interval": "x", "slack_amount": 0.2},
            ["evaluation_interval: must", "slack_factor: must be above 0", "needs either"],
        ),
        (
            {"slack_factor": 0, "slack": 1},
            ["slack: the keys of bandit are", "either slack_factor or slack_amount"],
        ),
        ({"slack_factor": "x", "slack_amount": -1}, ["factor: must be a number", "above 0"]),
        ({"type": "bandt", "delay_evaluation": "x"}, ["delay_evaluation: must"]),
    ],
)
def test_no_fault_hides_another(raw, parts):
    faults = parse_policy({"type": "bandit", **raw})[1]
    assert all(any(part in line for line in faults) for part in parts)
    assert len(faults) == len(parts) + ("type" in raw)
