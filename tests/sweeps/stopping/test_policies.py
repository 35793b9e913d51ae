import pytest

from mnist_exp.sweeps.ranking import Goal
from mnist_exp.sweeps.stopping.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    TruncationSelectionPolicy,
)


@pytest.mark.parametrize(
    ("policy", "goal", "best", "value", "cut"),
    [
        # Azure ML's example: best 0.8, slack 0.2, the bound is 0.8 / 1.2 = 0.6667.
        (BanditPolicy(slack_factor=0.2), Goal.MAXIMIZE, 0.8, 0.666, True),
        (BanditPolicy(slack_factor=0.2), Goal.MAXIMIZE, 0.8, 0.667, False),
        # Neither 0.9 * best nor a percentile: 0.9 / 1.1 = 0.8182.
        (BanditPolicy(slack_factor=0.1), Goal.MAXIMIZE, 0.9, 0.815, True),
        (BanditPolicy(slack_factor=0.1), Goal.MAXIMIZE, 0.9, 0.819, False),
        (BanditPolicy(slack_factor=0.2), Goal.MINIMIZE, 0.5, 0.601, True),
        (BanditPolicy(slack_factor=0.2), Goal.MINIMIZE, 0.5, 0.599, False),
        (BanditPolicy(slack_amount=0.1), Goal.MAXIMIZE, 0.8, 0.69, True),
        (BanditPolicy(slack_amount=0.1), Goal.MAXIMIZE, 0.8, 0.71, False),
        (BanditPolicy(slack_amount=0.1), Goal.MINIMIZE, 0.5, 0.61, True),
        (BanditPolicy(slack_amount=0.1), Goal.MINIMIZE, 0.5, 0.59, False),
        (BanditPolicy(slack_amount=0.1), Goal.MAXIMIZE, -0.8, -0.89, False),
        (BanditPolicy(slack_amount=0.1), Goal.MAXIMIZE, -0.8, -0.91, True),
    ],
)
def test_bandit_the_slack_is_counted_from_the_best(policy, goal, best, value, cut):
    histories = {0: [best], 1: [value]}
    assert (policy.decide(1, 1, histories, goal) is not None) == cut


def test_bandit_the_reason_is_in_plain_words():
    policy = BanditPolicy(slack_factor=0.1, evaluation_interval=2)
    histories = {3: [0.5, 0.6, 0.61, 0.612], 5: [0.7, 0.75, 0.801, 0.78, 0.9]}
    cut = policy.decide(3, 4, histories, Goal.MAXIMIZE)
    assert cut.interval == 4
    assert cut.reason == "0.612 < 0.801 / 1.1 = 0.728 (best: trial 5)"


@pytest.mark.parametrize(
    ("policy", "goal", "reason"),
    [
        (BanditPolicy(slack_factor=0.1), Goal.MINIMIZE, "0.9 > 0.5 * 1.1 = 0.55 (best: trial 0)"),
        (BanditPolicy(slack_amount=0.2), Goal.MINIMIZE, "0.9 > 0.5 + 0.2 = 0.7 (best: trial 0)"),
        (BanditPolicy(slack_amount=0.2), Goal.MAXIMIZE, "0.5 < 0.9 - 0.2 = 0.7 (best: trial 1)"),
    ],
)
def test_bandit_every_form_has_its_reason(policy, goal, reason):
    judged = 1 if goal is Goal.MINIMIZE else 0
    assert policy.decide(judged, 1, {0: [0.5], 1: [0.9]}, goal).reason == reason


def test_bandit_a_trials_best_counts_not_its_last():
    histories = {0: [0.8, 0.8], 1: [0.75, 0.1]}
    assert BanditPolicy(slack_factor=0.1).decide(1, 2, histories, Goal.MAXIMIZE) is None


def test_bandit_applies_only_at_its_evaluation_intervals():
    policy = BanditPolicy(slack_factor=0.1, evaluation_interval=2)
    histories = {0: [0.9] * 6, 1: [0.1] * 6}
    cut_at = [n for n in range(1, 7) if policy.decide(1, n, histories, Goal.MAXIMIZE)]
    assert cut_at == [2, 4, 6]


def test_bandit_ignores_a_leader_that_has_not_reached_the_interval():
    histories = {0: [0.99], 1: [0.1, 0.2]}
    assert BanditPolicy(slack_factor=0.1).decide(1, 2, histories, Goal.MAXIMIZE) is None


def test_bandit_compares_a_slow_starter_at_the_same_interval():
    histories = {0: [0.3, 0.5, 0.99], 1: [0.29, 0.48]}
    assert BanditPolicy(slack_factor=0.1).decide(1, 2, histories, Goal.MAXIMIZE) is None


@pytest.mark.parametrize("goal", list(Goal))
def test_bandit_never_cuts_a_leader_with_a_negative_metric(goal):
    leader, other = (0, 1) if goal is Goal.MAXIMIZE else (1, 0)
    histories = {0: [-0.5], 1: [-0.6]}
    policy = BanditPolicy(slack_factor=0.1)
    assert policy.decide(leader, 1, histories, goal) is None
    assert policy.decide(other, 1, histories, goal) is not None


def test_bandit_warns_of_a_ratio_of_a_value_that_is_not_positive():
    assert "use slack_amount" in BanditPolicy(slack_factor=0.1).caution(-0.5)
    assert BanditPolicy(slack_factor=0.1).caution(0.0)
    assert BanditPolicy(slack_factor=0.1).caution(0.5) is None
    assert BanditPolicy(slack_factor=0.1).caution(float("nan")) is None
    assert BanditPolicy(slack_amount=0.1).caution(-0.5) is None


@pytest.mark.parametrize(
    ("policy", "best", "value", "goal"),
    [
        (BanditPolicy(slack_amount=0.1), 0.8, 0.7, Goal.MAXIMIZE),
        (BanditPolicy(slack_amount=0.1), 0.7, 0.8, Goal.MINIMIZE),
        (BanditPolicy(slack_factor=0.1), 1.1, 1.0, Goal.MAXIMIZE),
        (BanditPolicy(slack_factor=0.1), 0.3, 0.33, Goal.MINIMIZE),
    ],
)
def test_bandit_on_the_bound_is_within_the_slack_however_floats_round(policy, best, value, goal):
    assert policy.decide(1, 1, {0: [best], 1: [value]}, goal) is None
    beyond = value - 1e-9 if goal is Goal.MAXIMIZE else value + 1e-9
    reason = policy.decide(1, 1, {0: [best], 1: [beyond]}, goal).reason
    sign = "<" if goal is Goal.MAXIMIZE else ">"
    shown, bound = float(reason.split()[0]), float(reason.split(" = ")[1].split()[0])
    assert shown < bound if sign == "<" else shown > bound
    assert len(reason) < 70


MEDIAN = MedianStoppingPolicy()
# Means up to interval 3: 0.2, 0.4, 0.6; their median is 0.4.
HISTORIES = {0: [0.1, 0.2, 0.3], 1: [0.3, 0.4, 0.5], 2: [0.5, 0.6, 0.7]}


def test_median_cuts_a_trial_whose_best_is_below_the_averages():
    cut = MEDIAN.decide(0, 3, HISTORIES, Goal.MAXIMIZE)
    assert cut.reason == (
        "0.3 < 0.4, the median of the running averages of 3 trials (best: trial 2)"
    )


def test_median_its_best_is_compared_not_its_average():
    # Trial 1 averages the median itself, its best is above.
    assert MEDIAN.decide(1, 3, HISTORIES, Goal.MAXIMIZE) is None
    histories = {**HISTORIES, 0: [0.41, 0.0, 0.0]}
    assert MEDIAN.decide(0, 3, histories, Goal.MAXIMIZE) is None


def test_median_minimize_is_the_mirror():
    cut = MEDIAN.decide(2, 3, HISTORIES, Goal.MINIMIZE)
    assert cut.reason.startswith("0.5 > 0.4, the median")
    assert MEDIAN.decide(1, 3, HISTORIES, Goal.MINIMIZE) is None


def test_median_the_judged_trial_counts_in_the_median():
    # Without trial 0 the median of one other would be 0.6; with it, 0.4.
    histories = {0: [0.2, 0.5], 1: [0.6, 0.6]}
    assert MEDIAN.decide(0, 2, histories, Goal.MAXIMIZE) is None


def test_median_trials_that_are_behind_do_not_count():
    histories = {**HISTORIES, 3: [9.0, 9.0], 4: [9.0, 9.0], 5: [9.0]}
    assert MEDIAN.decide(1, 3, histories, Goal.MAXIMIZE) is None


def truncation(percentage, **fields):
    return TruncationSelectionPolicy(truncation_percentage=percentage, **fields)


def cut_trials(percentage, histories, interval=1, goal=Goal.MAXIMIZE):
    return {
        trial
        for trial in histories
        if truncation(percentage).decide(trial, interval, histories, goal)
    }


TEN = {trial: [trial / 10] for trial in range(10)}


@pytest.mark.parametrize(
    ("percentage", "cut"),
    [(9, set()), (10, {0}), (19, {0}), (20, {0, 1}), (50, {0, 1, 2, 3, 4}), (99, set(range(9)))],
)
def test_truncation_the_share_is_rounded_down(percentage, cut):
    assert cut_trials(percentage, TEN) == cut


def test_truncation_minimize_cuts_the_other_end():
    assert cut_trials(20, TEN, goal=Goal.MINIMIZE) == {8, 9}


def test_truncation_few_trials_lose_none():
    assert cut_trials(20, {0: [0.1], 1: [0.2], 2: [0.3], 3: [0.4]}) == set()


def test_truncation_of_equal_values_the_higher_index_is_lower():
    assert cut_trials(25, {0: [0.5], 1: [0.5], 2: [0.9], 3: [0.5]}) == {3}


def test_truncation_the_value_at_the_interval_counts():
    histories = {0: [0.1, 0.9], 1: [0.8, 0.2], 2: [0.5, 0.5], 3: [0.4, 0.4]}
    assert cut_trials(25, histories, interval=1) == {0}
    assert cut_trials(25, histories, interval=2) == {1}


def test_truncation_cuts_the_best_so_far_with_the_lowest_latest_value():
    histories = {0: [0.95, 0.1], 1: [0.8, 0.8], 2: [0.5, 0.5], 3: [0.4, 0.4]}
    assert cut_trials(25, histories, interval=2) == {0}
    # Other policies spare this trial.
    for policy in (BanditPolicy(slack_amount=0.01), MedianStoppingPolicy()):
        assert policy.decide(0, 2, histories, Goal.MAXIMIZE) is None


def test_truncation_the_reason_is_in_plain_words():
    cut = truncation(20).decide(1, 1, TEN, Goal.MAXIMIZE)
    assert cut.reason == "0.1 has rank 9 of 10 trials, among the worst 20 % (best: trial 9)"
