from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mnist_exp.metrics import MetricPoint
from mnist_exp.report.insights import sweep_insights
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.ranking import Goal, Objective
from tests.support.sample_results import METRIC, points


def trial(
    index: int, *values: float, cut: int | None = None, parameters: Mapping[str, object] = {}
) -> TrialResult:
    return TrialResult(
        name=f"sweep_{index}",
        status=JobStatus.CANCELED if cut else JobStatus.COMPLETED,
        parameters=dict(parameters),
        best=max(values, default=None),
        last=values[-1] if values else None,
        events=len(values),
        metrics={METRIC: points(values)},
        cut=cut,
    )


def sweep(best: int | None, *trials: TrialResult) -> JobResult:
    name = None if best is None else f"sweep_{best}"
    return JobResult("sweep", JobStatus.COMPLETED, trials=trials, best=name)


def insights_of(job: JobResult, epochs: int | None) -> dict[str, Any]:
    return sweep_insights(job, Objective(METRIC, Goal.MAXIMIZE), epochs, {})


@pytest.mark.parametrize(
    ("best", "trials", "epochs", "words"),
    [
        (
            0,
            [trial(0, 0.5, 0.9812, 0.979), trial(1, 0.4, 0.95), trial(2, 0.3)],
            3,
            "0.9812 at epoch 2, last 0.979; next is trial 1 with 0.95",
        ),
        # Without the number of epochs nobody knows that what is logged is an epoch.
        (1, [trial(0, 0.1), trial(1, 0.7)], None, "0.7 at interval 1, last 0.7; next is trial"),
        (0, [trial(0, 0.7), trial(1, 0.2, 0.7)], 2, "trial 1 has the same value and a higher nu"),
        # On Azure the service chooses the best trial.
        (
            1,
            [trial(0, 0.7), trial(1, 0.7)],
            1,
            "trial 0 has the same value, but the service ch",
        ),
        (0, [trial(0, 0.7), trial(1, 0.8)], 1, "; trial 1 has the better value 0.8, but the serv"),
        (0, [trial(0, 0.7)], 1, "0.7 at epoch 1, last 0.7"),
    ],
)
def test_why_the_winner_won(
    best: int, trials: list[TrialResult], epochs: int | None, words: str
) -> None:
    assert words in insights_of(sweep(best, *trials), epochs)["winner"]


def test_a_lower_value_is_the_nearer_one_where_less_is_better() -> None:
    job = sweep(0, trial(0, 0.1), trial(1, 0.9), trial(2, 0.2))
    found = sweep_insights(job, Objective(METRIC, Goal.MINIMIZE), 1, {})
    assert "next is trial 2 with 0.2" in found["winner"]


def test_a_sweep_without_values_has_taught_nothing() -> None:
    assert insights_of(sweep(None, trial(0), trial(1)), 3) == {}


def test_what_early_termination_saved() -> None:
    found = insights_of(
        sweep(0, trial(0, *[0.9] * 10), trial(1, *[0.1] * 2, cut=2), trial(2, *[0.1] * 4, cut=4)),
        10,
    )
    assert found["saved"] == {"epochs": 14, "of": 30, "trials": 2}
    assert found["savings"] == "14 of 30 epochs (47%), by cutting 2 of 3 trials"


def test_without_the_number_of_epochs_the_longest_trial_tells() -> None:
    found = insights_of(sweep(0, trial(0, 0.9, 0.9, 0.9), trial(1, 0.1, cut=1)), None)
    assert found["saved"] == {"epochs": 2, "of": 6, "trials": 1}
    assert "2 of 6 intervals (33%)" in found["savings"]


def test_a_trials_own_number_of_epochs_comes_first() -> None:
    trials = [
        trial(0, *[0.9] * 5, parameters={"epochs": 5}),
        trial(1, 0.1, cut=1, parameters={"epochs": 20}),
    ]
    found = insights_of(sweep(0, *trials), None)
    assert found["saved"] == {"epochs": 19, "of": 25, "trials": 1}
    assert found["savings"].startswith("19 of 25 epochs (76%), ")
    assert " at epoch 1, " in found["winner"]


def test_epochs_are_known_by_their_dotted_key_too() -> None:
    trials = [
        trial(0, *[0.9] * 4, parameters={"model.epochs": 4}),
        trial(1, 0.1, cut=1, parameters={"model.epochs": 8}),
    ]
    found = insights_of(sweep(0, *trials), 20)
    assert found["saved"] == {"epochs": 7, "of": 12, "trials": 1}
    assert " at epoch 1, " in found["winner"]


def test_what_was_canceled_without_a_decision_of_the_policy_saved_nothing() -> None:
    canceled = replace(trial(1, 0.1), status=JobStatus.CANCELED, why="canceled: trial timeout")
    assert "saved" not in insights_of(sweep(0, trial(0, 0.9, 0.9), canceled), 2)
    # What a trial ran after the decision is on a line of its own.
    late = replace(trial(1, 0.1, cut=1), late=1, metrics={METRIC: points([0.1, 0.1])})
    found = insights_of(sweep(0, trial(0, 0.9, 0.9), late), 2)
    assert found["saved"] == {"epochs": 1, "of": 4, "trials": 1}
    assert found["late"] == "1 epoch after the decisions to end trials; not counted"


def test_a_script_that_logs_more_often_than_once_an_epoch_has_intervals() -> None:
    trials = [trial(0, *[0.1] * 29, 0.9), trial(1, 0.1, 0.1, cut=2)]
    found = insights_of(sweep(0, *trials), 3)
    assert " at interval 30, " in found["winner"]
    assert found["saved"] == {"epochs": 28, "of": 60, "trials": 1}
    assert found["savings"].startswith("28 of 60 intervals (47%)")


def test_which_parameter_mattered() -> None:
    trials = [
        trial(index, rate, parameters={"learning_rate": rate, "seed": index % 2, "same": 1})
        for index, rate in enumerate(one / 10 for one in range(1, 11))
    ]
    found = insights_of(sweep(9, *trials, trial(10)), 1)["importance"]
    assert list(found) == ["learning_rate", "seed"]
    assert found["learning_rate"] > 0.8
    assert sum(found.values()) == pytest.approx(1)
    assert "importance" not in insights_of(sweep(0, *trials[:9]), 1)


def test_the_epochs_of_a_run_that_was_gone_on_from_are_not_the_trials() -> None:
    values = {0: [0.8, 0.9, 0.85], 1: [0.1]}
    trials = [
        replace(
            trial(index, *logged, cut=1 if index else None),
            metrics={
                METRIC: [MetricPoint(METRIC, value, 13 + at) for at, value in enumerate(logged)]
            },
        )
        for index, logged in values.items()
    ]
    found = insights_of(sweep(0, *trials), 15)
    assert found["winner"].startswith("0.9 at epoch 14, last 0.85")
    assert found["savings"] == "2 of 6 epochs (33%), by cutting 1 of 2 trials"
