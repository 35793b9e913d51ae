import pytest

from mnist_exp.sweeps.ranking import Goal
from mnist_exp.sweeps.stopping.truncation_selection import TruncationSelectionPolicy


def policy(percentage, **fields):
    return TruncationSelectionPolicy(truncation_percentage=percentage, **fields)


def cut_trials(percentage, histories, interval=1, goal=Goal.MAXIMIZE):
    return {
        trial for trial in histories if policy(percentage).decide(trial, interval, histories, goal)
    }


TEN = {trial: [trial / 10] for trial in range(10)}


@pytest.mark.parametrize(
    ("percentage", "cut"),
    [(9, set()), (10, {0}), (19, {0}), (20, {0, 1}), (50, {0, 1, 2, 3, 4}), (99, set(range(9)))],
)
def test_the_share_is_rounded_down(percentage, cut):
    assert cut_trials(percentage, TEN) == cut


def test_minimize_cuts_the_other_end():
    assert cut_trials(20, TEN, goal=Goal.MINIMIZE) == {8, 9}


def test_few_trials_lose_none():
    assert cut_trials(20, {0: [0.1], 1: [0.2], 2: [0.3], 3: [0.4]}) == set()


def test_of_equal_values_the_higher_index_is_lower():
    assert cut_trials(25, {0: [0.5], 1: [0.5], 2: [0.9], 3: [0.5]}) == {3}


def test_the_value_at_the_interval_counts():
    histories = {0: [0.1, 0.9], 1: [0.8, 0.2], 2: [0.5, 0.5], 3: [0.4, 0.4]}
    assert cut_trials(25, histories, interval=1) == {0}
    assert cut_trials(25, histories, interval=2) == {1}


def test_the_best_so_far_is_kept_though_its_latest_value_is_the_lowest():
    histories = {0: [0.95, 0.1], 1: [0.8, 0.8], 2: [0.5, 0.5], 3: [0.4, 0.4]}
    assert cut_trials(25, histories, interval=2) == set()


def test_the_reason_is_in_plain_words():
    cut = policy(20).decide(1, 1, TEN, Goal.MAXIMIZE)
    assert cut.reason == "0.1 is number 9 of 10 trials, among the worst 20 % (best: trial 9)"
