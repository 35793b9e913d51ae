"""What a sweep must do to be one of Azure ML's: numbers 1 to 8 of the list of conformance tests.

The part of number 8 that needs a running job: tests/workspaces/local/sweep/test_conformance.py.
"""

import math

import pytest
from scipy.stats import kstest

from mnist_exp.status import JobStatus
from mnist_exp.sweeps.limits import Limits
from mnist_exp.sweeps.ranking import Goal, Objective
from mnist_exp.sweeps.sampling.algorithms import Sampling, SamplingRule, SamplingType
from mnist_exp.sweeps.sampling.drawing import configurations
from mnist_exp.sweeps.space.keys import azure_name
from mnist_exp.sweeps.space.parse import parse_search_space
from mnist_exp.sweeps.stopping.parse import parse_policy
from mnist_exp.sweeps.stopping.policies import BanditPolicy
from mnist_exp.sweeps.tuner import Tuner
from mnist_exp.templates import render

ACC = Objective("acc", Goal.MAXIMIZE)
SPACE = {
    "choice": {"type": "choice", "values": [1, 2.5, "x"]},
    "randint": {"type": "randint", "upper": 7},
    "uniform": {"type": "uniform", "min_value": -2, "max_value": 3},
    "quniform": {"type": "quniform", "min_value": 0, "max_value": 10, "q": 0.5},
    "loguniform": {"type": "loguniform", "min_value": -6, "max_value": -1},
    "qloguniform": {"type": "qloguniform", "min_value": 0, "max_value": 4, "q": 2},
    "normal": {"type": "normal", "mu": 1, "sigma": 2},
    "qnormal": {"type": "qnormal", "mu": 1, "sigma": 2, "q": 0.25},
    "lognormal": {"type": "lognormal", "mu": 0, "sigma": 1},
    "qlognormal": {"type": "qlognormal", "mu": 0, "sigma": 1, "q": 0.5},
}


def space_of(*keys):
    space, faults = parse_search_space({key: SPACE[key] for key in keys or SPACE})
    assert faults == []
    return space


@pytest.fixture
def tune(log):
    def run(backend, limits, policy=None, objective=ACC):
        drawn = [{"x": index} for index in range(100)]
        return Tuner(
            configurations=drawn,
            limits=limits,
            objective=objective,
            policy=policy,
            backend=backend,
            listener=log,
        ).run()

    return run


@pytest.fixture(scope="module")
def draws():
    """10,000 draws of each expression."""
    drawn = configurations(space_of(), Sampling(SamplingType.RANDOM, 1))
    rows = [drawn[index] for index in range(10_000)]
    return {key: [row[key] for row in rows] for key in SPACE}


def test_1_draws_keep_bounds_and_steps(draws):
    assert {*draws["choice"]} == {1, 2.5, "x"}
    assert {*draws["randint"]} == set(range(7))
    assert all(-2 <= value <= 3 for value in draws["uniform"])
    assert all(0.00248 * 0.999 < value < 0.3679 for value in draws["loguniform"])
    for key, q in (("quniform", 0.5), ("qloguniform", 2), ("qnormal", 0.25), ("qlognormal", 0.5)):
        assert all(math.isclose(value / q, round(value / q)) for value in draws[key]), key
    assert all(0 <= value <= 10 for value in draws["quniform"])
    assert all(value > 0 for value in draws["lognormal"])


def test_1_draws_have_their_distributions(draws):
    logs = [math.log(value) for value in draws["loguniform"]]
    assert kstest(logs, "uniform", (-6, 5)).pvalue > 0.001
    assert kstest(draws["uniform"], "uniform", (-2, 5)).pvalue > 0.001
    assert kstest(draws["normal"], "norm", (1, 2)).pvalue > 0.001
    assert kstest([math.log(value) for value in draws["lognormal"]], "norm").pvalue > 0.001


@pytest.mark.parametrize("rule", list(SamplingRule))
def test_2_a_seed_repeats_the_sequence_also_from_the_middle(rule):
    sampling = Sampling(SamplingType.RANDOM, 7, rule)
    first, second = configurations(space_of(), sampling), configurations(space_of(), sampling)
    whole = [first[index] for index in range(20)]
    assert [second[index] for index in range(11, 20)] == whole[11:]
    assert [second[index] for index in range(20)] == whole
    other = configurations(space_of(), Sampling(SamplingType.RANDOM, 8, rule))
    assert other[0] != whole[0]


@pytest.mark.parametrize(
    ("value", "goal", "is_cut"),
    [
        (0.666, Goal.MAXIMIZE, True),
        (0.667, Goal.MAXIMIZE, False),
        (0.961, Goal.MINIMIZE, True),
        (0.959, Goal.MINIMIZE, False),
    ],
)
def test_3_bandit_table(value, goal, is_cut):
    policy = BanditPolicy(slack_factor=0.2)
    cut = policy.decide(1, 1, {0: [0.8], 1: [value]}, goal)
    assert (cut is not None) is is_cut


@pytest.mark.parametrize(
    ("interval", "delay", "applied"), [(2, 0, [2, 4, 6]), (2, 5, [6, 8, 10]), (0, 0, [1, 2, 3])]
)
def test_3_bandit_is_applied_at_its_intervals(interval, delay, applied):
    policy = BanditPolicy(slack_factor=0.2, evaluation_interval=interval, delay_evaluation=delay)
    histories = {0: [0.8] * 10, 1: [0.1] * 10}
    found = [
        number for number in range(1, 11) if policy.decide(1, number, histories, Goal.MAXIMIZE)
    ]
    assert found[:3] == applied


def test_3_bandit_slack_rules():
    unset = {"type": "bandit", "slack_factor": 0.1, "slack_amount": 0}
    assert parse_policy(unset)[0] == BanditPolicy(slack_factor=0.1)
    both = {"type": "bandit", "slack_factor": 0.1, "slack_amount": 0.2}
    assert "needs either slack_factor or slack_amount" in parse_policy(both)[1][0]
    assert "ratio" in (BanditPolicy(slack_factor=0.1).caution(-0.5) or "")


def test_4_the_first_wave_is_not_cut_by_a_leader_that_is_not_there_yet(tune, simulate, script):
    scripts = [script([0.9, 0.9], every=5), script([0.1, 0.1])]
    result = tune(simulate(scripts), Limits(2, 2), BanditPolicy(slack_factor=0.1))
    assert [trial.status.value for trial in result.trials] == ["Completed", "Completed"]


def test_5_best_is_of_the_history_counts_canceled_and_ties_go_to_the_lowest(
    tune, simulate, script, log
):
    scripts = [script([0.5, 0.5, 0.5]), script([0.9, 0.1, 0.1]), script([0.2, 0.9])]
    cut_later = BanditPolicy(slack_amount=0.05, evaluation_interval=3)
    result = tune(simulate(scripts), Limits(3, 3), cut_later)
    assert result.best == 1
    scripts = [script([0.2] * 9), script([0.9] * 9)]
    limits = Limits(2, 2, trial_timeout=5)
    result = tune(simulate(scripts), limits)
    assert [trial.status for trial in result.trials] == [JobStatus.CANCELED] * 2
    assert result.best == 1


def test_5_without_the_metric_there_is_none_and_a_hint(tune, simulate, script):
    result = tune(simulate([script([0.9], metric="Acc")]), Limits(1, 1))
    assert (result.status, result.best) == (JobStatus.COMPLETED, None)
    assert "the logged metrics are: Acc; did you mean 'Acc'?" in result.warnings[0]


def test_6_a_trial_that_logs_and_crashes_is_failed_and_keeps_its_metric(tune, simulate, script):
    result = tune(simulate([script([0.9], exit_code=1), script([0.1])]), Limits(2, 1))
    assert [trial.status.value for trial in result.trials] == ["Failed", "Completed"]
    assert (result.trials[0].values, result.best) == ([0.9], 0)


def test_7_timeouts_and_concurrency(tune, simulate, script):
    scripts = [script([0.5] * 4), script([0.5] * 40), script([0.5] * 4)]
    result = tune(simulate(scripts), Limits(3, 3, trial_timeout=10))
    assert [trial.status.value for trial in result.trials] == ["Completed", "Canceled", "Completed"]
    result = tune(simulate(scripts), Limits(3, 3, timeout=2))
    assert [trial.status.value for trial in result.trials] == ["Canceled"] * 3
    assert result.status is JobStatus.CANCELED
    backend = simulate(lambda index: script([0.5], every=1 + index % 3))
    tune(backend, Limits(8, 4))
    assert backend.most_alive == 4


def test_8_templates_and_dotted_keys():
    command = "t $[[--lr {{inputs.lr}}]] {{inputs.x}}"
    assert render(command, {("inputs", "x"): "1"}).split() == ["t", "1"]
    both = {("inputs", "x"): "1", ("inputs", "lr"): "2"}
    assert render(command, both) == "t --lr 2 1"
    for key in ("lr", "model.learning_rate", "a.b_c.d"):
        assert azure_name(key).isidentifier()
