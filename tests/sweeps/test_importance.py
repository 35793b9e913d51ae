import math
from dataclasses import replace

import pytest

from mnist_exp.metrics import MetricPoint
from mnist_exp.report.insights import sweep_insights
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.importance import parameter_importance
from mnist_exp.sweeps.limits import Limits
from mnist_exp.sweeps.ranking import Goal, Objective
from mnist_exp.sweeps.sampling.algorithms import Sampling, SamplingType
from mnist_exp.sweeps.sampling.drawing import configurations
from mnist_exp.sweeps.space.expressions import Choice, LogUniform, Scale
from mnist_exp.sweeps.stopping.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    TruncationSelectionPolicy,
)
from mnist_exp.sweeps.tuner import Tuner

ACC = Objective("acc", Goal.MAXIMIZE)
WIDTHS = (16, 64, 128, 256, 512)
SPACE = {"width": Choice(WIDTHS), "batch": Choice((32, 64, 128)), "lr": LogUniform(-6, -1)}


def curve(lr, width, batch):
    """A known objective: the rate decides most of the accuracy, the width a little."""
    top = 0.9 - 0.8 * ((math.log(lr) + 6) / 5 - 0.6) ** 2 + 0.0125 * WIDTHS.index(width)
    return [top * (1 - math.exp(-0.4 * epoch)) for epoch in range(1, 11)]


@pytest.mark.parametrize(
    ("policy", "basis"),
    [
        (None, "the best value, 12 trials"),
        # With the best values of cut trials, width would come first.
        (
            BanditPolicy(slack_factor=0.1, evaluation_interval=2),
            "the best value in the first 2 epochs, 12 trials",
        ),
        (
            MedianStoppingPolicy(delay_evaluation=3),
            "the best value in the first 3 epochs, 12 trials",
        ),
        (
            TruncationSelectionPolicy(truncation_percentage=30, evaluation_interval=2),
            "the best value in the first 2 epochs, 12 trials",
        ),
    ],
    ids=["none", "bandit", "median", "truncation"],
)
def test_a_policy_does_not_change_the_order_of_the_parameters(simulate, script, log, policy, basis):
    drawn = configurations(SPACE, Sampling(SamplingType.RANDOM, 2))
    backend = simulate(lambda index: script(curve(**drawn[index])))
    tuner = Tuner(
        configurations=drawn,
        limits=Limits(12, 4),
        objective=ACC,
        policy=policy,
        backend=backend,
        listener=log,
    )
    results = [
        TrialResult(
            f"sweep_{trial.index}",
            trial.status,
            trial.parameters,
            best=trial.best(ACC.goal),
            events=len(trial.values),
            metrics=trial.metrics,
            cut=trial.cut.interval if trial.cut else None,
        )
        for trial in tuner.run().trials
    ]
    assert any(result.cut for result in results) is (policy is not None)
    scales = {name: expression.scale for name, expression in SPACE.items()}
    found = insights_of(results, scales)
    assert list(found["importance"]) == ["lr", "width", "batch"]
    assert found["importance"]["lr"] > 0.6
    assert found["importance_of"] == basis
    assert "importance" not in insights_of(results[:9], scales)


def insights_of(trials, scales):
    job = JobResult("sweep", trials[0].status, trials=trials, best="sweep_0")
    return sweep_insights(job, ACC, 10, scales)


def test_a_failed_trial_does_not_shorten_the_comparison():
    trials = [
        TrialResult(
            f"sweep_{index}",
            JobStatus.COMPLETED if index else JobStatus.FAILED,
            {"x": index},
            best=float(index),
            events=2 if index else 1,
            metrics={"acc": [MetricPoint("acc", float(index))] * (2 if index else 1)},
        )
        for index in range(11)
    ]
    assert insights_of(trials, {})["importance_of"] == "the best value, 10 trials"
    cut = replace(trials[1], status=JobStatus.CANCELED, cut=1, events=1)
    found = insights_of([trials[0], cut, *trials[2:]], {})
    assert found["importance_of"] == "the best value in the first epoch, 11 trials"


def test_a_parameter_counts_on_the_scale_on_which_it_was_drawn():
    """Half of the draws of a loguniform parameter are below its geometric mean."""
    rows = [
        ({"lr": 10.0 ** -(index % 8), "x": index % 3}, float(index % 8 > 3) + 0.1 * (index % 3))
        for index in range(48)
    ]
    assert parameter_importance(rows, {"lr": Scale.LOGARITHMIC})["lr"] > 0.9
    assert parameter_importance(rows, {})["lr"] < 0.5


def trials(count=16):
    return [
        ({"lr": 10.0 ** -(index % 4), "batch": 32 * (1 + index % 3), "name": "ab"[index % 2]}, v)
        for index in range(count)
        for v in [1.0 / (1 + index % 4)]
    ]


def test_what_decides_comes_first_and_shares_sum_to_one():
    found = parameter_importance(trials(), {"lr": Scale.LOGARITHMIC})
    assert next(iter(found)) == "lr"
    assert found["lr"] > 0.5
    assert set(found) == {"lr", "batch", "name"}
    assert sum(found.values()) == pytest.approx(1)
    assert found == parameter_importance(trials(), {"lr": Scale.LOGARITHMIC})


@pytest.mark.parametrize(
    "given",
    [
        [],
        trials(9),
        [({"x": index}, 0.5) for index in range(19)],
        [({"x": 1}, float(index)) for index in range(19)],
        [({"x": index}, float("nan")) for index in range(19)],
    ],
)
def test_where_nothing_can_be_said_nothing_is(given):
    assert parameter_importance(given, {}) == {}


def test_a_parameter_that_never_differs_is_left_out():
    assert parameter_importance([({"x": i, "y": 1}, float(i)) for i in range(10)], {}) == {"x": 1.0}


def test_it_says_nothing_of_its_own(capfd):
    parameter_importance(trials(), {"lr": Scale.LOGARITHMIC})
    assert capfd.readouterr() == ("", "")
