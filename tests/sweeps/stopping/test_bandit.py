import pytest

from mnist_exp.sweeps.ranking import Goal
from mnist_exp.sweeps.stopping.bandit import BanditPolicy


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
def test_the_slack_is_counted_from_the_best(policy, goal, best, value, cut):
    histories = {0: [best], 1: [value]}
    assert (policy.decide(1, 1, histories, goal) is not None) == cut


def test_the_reason_is_in_plain_words():
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
def test_every_form_has_its_reason(policy, goal, reason):
    judged = 1 if goal is Goal.MINIMIZE else 0
    assert policy.decide(judged, 1, {0: [0.5], 1: [0.9]}, goal).reason == reason


def test_a_trials_best_counts_not_its_last():
    histories = {0: [0.8, 0.8], 1: [0.75, 0.1]}
    assert BanditPolicy(slack_factor=0.1).decide(1, 2, histories, Goal.MAXIMIZE) is None


def test_it_looks_at_the_intervals_of_its_evaluation_alone():
    policy = BanditPolicy(slack_factor=0.1, evaluation_interval=2)
    histories = {0: [0.9] * 6, 1: [0.1] * 6}
    cut_at = [n for n in range(1, 7) if policy.decide(1, n, histories, Goal.MAXIMIZE)]
    assert cut_at == [2, 4, 6]


def test_the_first_wave_is_not_cut_by_a_leader_that_has_not_reached_the_interval():
    histories = {0: [0.99], 1: [0.1, 0.2]}
    assert BanditPolicy(slack_factor=0.1).decide(1, 2, histories, Goal.MAXIMIZE) is None


def test_a_slow_starter_meets_what_the_leader_had_at_the_same_interval():
    histories = {0: [0.3, 0.5, 0.99], 1: [0.29, 0.48]}
    assert BanditPolicy(slack_factor=0.1).decide(1, 2, histories, Goal.MAXIMIZE) is None


@pytest.mark.parametrize("goal", list(Goal))
def test_the_leader_goes_on_though_its_metric_is_negative(goal):
    leader, other = (0, 1) if goal is Goal.MAXIMIZE else (1, 0)
    histories = {0: [-0.5], 1: [-0.6]}
    policy = BanditPolicy(slack_factor=0.1)
    assert policy.decide(leader, 1, histories, goal) is None
    assert policy.decide(other, 1, histories, goal) is not None


def test_a_ratio_of_a_value_that_is_not_positive_is_cautioned_against():
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
def test_on_the_bound_is_within_the_slack_however_floats_round(policy, best, value, goal):
    assert policy.decide(1, 1, {0: [best], 1: [value]}, goal) is None
    beyond = value - 1e-9 if goal is Goal.MAXIMIZE else value + 1e-9
    reason = policy.decide(1, 1, {0: [best], 1: [beyond]}, goal).reason
    sign = "<" if goal is Goal.MAXIMIZE else ">"
    shown, bound = float(reason.split()[0]), float(reason.split(" = ")[1].split()[0])
    assert shown < bound if sign == "<" else shown > bound
    assert len(reason) < 70
