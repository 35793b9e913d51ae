from mnist_exp.sweeps.ranking import Goal
from mnist_exp.sweeps.stopping.median_stopping import MedianStoppingPolicy

POLICY = MedianStoppingPolicy()
# Means up to interval 3: 0.2, 0.4, 0.6; their median is 0.4.
HISTORIES = {0: [0.1, 0.2, 0.3], 1: [0.3, 0.4, 0.5], 2: [0.5, 0.6, 0.7]}


def test_a_trial_whose_best_is_below_the_median_of_the_averages_is_cut():
    cut = POLICY.decide(0, 3, HISTORIES, Goal.MAXIMIZE)
    assert cut.reason == (
        "0.3 < 0.4, the median of the running averages of 3 trials (best: trial 2)"
    )


def test_its_best_is_compared_not_its_average():
    # Trial 1 averages the median itself, its best is above.
    assert POLICY.decide(1, 3, HISTORIES, Goal.MAXIMIZE) is None
    histories = {**HISTORIES, 0: [0.41, 0.0, 0.0]}
    assert POLICY.decide(0, 3, histories, Goal.MAXIMIZE) is None


def test_minimize_is_the_mirror():
    cut = POLICY.decide(2, 3, HISTORIES, Goal.MINIMIZE)
    assert cut.reason.startswith("0.5 > 0.4, the median")
    assert POLICY.decide(1, 3, HISTORIES, Goal.MINIMIZE) is None


def test_the_judged_trial_counts_in_the_median():
    # Without trial 0 the median of one other would be 0.6; with it, 0.4.
    histories = {0: [0.2, 0.5], 1: [0.6, 0.6]}
    assert POLICY.decide(0, 2, histories, Goal.MAXIMIZE) is None


def test_trials_that_are_behind_do_not_count():
    histories = {**HISTORIES, 3: [9.0, 9.0], 4: [9.0, 9.0], 5: [9.0]}
    assert POLICY.decide(1, 3, histories, Goal.MAXIMIZE) is None
