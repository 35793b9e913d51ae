import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_exp.sweeps.ranking import Goal, Objective, missing_metric_hint, parse_objective, rank

NAN = math.nan


@pytest.mark.parametrize("text", ["maximize", "Maximize", "MAXIMIZE"])
def test_a_goal_is_read_in_any_case(text):
    assert Goal(text) is Goal.MAXIMIZE
    raw = {"primary_metric": "acc", "goal": text}
    assert parse_objective(raw) == (Objective("acc", Goal.MAXIMIZE), [])


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        ({"primary_metric": "acc", "goal": "maximum"}, "did you mean 'maximize'?"),
        ({"primary_metric": "acc"}, "sweep.objective.goal: an objective needs this key"),
        ({"goal": "minimize"}, "sweep.objective.primary_metric: an objective needs this key"),
        ({"primary_metric": " ", "goal": "minimize"}, "must be a metric's name"),
        ({"primary_metric": "acc ", "goal": "minimize"}, "must be a metric's name"),
        ({"primary_metric": 3, "goal": "minimize"}, "must be a metric's name"),
        ({"primary_metric": "a", "goal": "minimize", "gaol": 1}, "the keys of an objective are"),
    ],
)
def test_a_faulty_objective_is_reported(raw, part):
    objective, faults = parse_objective(raw)
    assert objective is None
    assert part in faults[0]


def test_the_best_is_taken_over_the_whole_history_not_the_last_value():
    histories = {0: [0.5, 0.9, 0.6], 1: [0.7, 0.8]}
    assert rank(histories, Goal.MAXIMIZE) == [0, 1]
    assert rank(histories, Goal.MINIMIZE) == [0, 1]
    assert Goal.MAXIMIZE.best(histories[0]) == 0.9
    assert Goal.MINIMIZE.best(histories[0]) == 0.5


def test_ties_go_to_the_lowest_index():
    assert rank({2: [0.9], 0: [0.1], 1: [0.9]}, Goal.MAXIMIZE) == [1, 2, 0]


@pytest.mark.parametrize("goal", list(Goal))
def test_trials_without_a_finite_value_come_last(goal):
    histories = {0: [], 1: [NAN], 2: [0.2], 3: [math.inf, -math.inf], 4: [NAN, 0.1]}
    assert rank(histories, goal)[2:] == [0, 1, 3]
    assert goal.best(histories[3]) is None
    assert goal.best(histories[4]) == 0.1


@given(
    st.dictionaries(st.integers(0, 20), st.lists(st.floats(allow_nan=True), max_size=4)),
    st.sampled_from(list(Goal)),
)
def test_a_ranking_holds_each_trial_once_and_its_first_is_the_best(histories, goal):
    order = rank(histories, goal)
    assert sorted(order) == sorted(histories)
    scores = [goal.best_or_worst(histories[trial]) for trial in order]
    assert scores == sorted(scores, reverse=goal is Goal.MAXIMIZE)


def test_the_hint_lists_what_was_logged_and_guesses():
    assert missing_metric_hint("validation_acc", ["loss", "Validation_Acc"]) == (
        "no trial logged 'validation_acc', so there is no best trial; "
        "the logged metrics are: Validation_Acc, loss; did you mean 'Validation_Acc'?"
    )
    assert "set sweep.objective.primary_metric" in missing_metric_hint("xyz", ["loss"])
    assert "or any other metric" in missing_metric_hint("xyz", [])
    # One that is logged, and was never a number.
    assert missing_metric_hint("acc", ["acc", "loss"]) == (
        "no trial logged a finite 'acc', so there is no best trial"
    )
    shortened = missing_metric_hint("val_acc", ["final_acc", "validation_acc"])
    assert shortened.endswith("; did you mean 'validation_acc'?")


def test_the_mean_of_huge_numbers_is_a_number():
    assert Goal.MAXIMIZE.mean([1.5e308, 1.5e308, -math.inf]) == 1.5e308
    assert Goal.MAXIMIZE.mean([1.0, 2.0]) == 1.5
