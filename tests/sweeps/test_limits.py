import pytest

from mnist_exp.sweeps.limits import Limits, parse_limits


def test_limits_are_read():
    raw = {"max_total_trials": 8, "max_concurrent_trials": 4, "timeout": 60, "trial_timeout": 30}
    assert parse_limits(raw) == (Limits(8, 4, 60, 30), [])


def test_without_a_bound_all_trials_run_at_once():
    raw = {"max_total_trials": 8, "max_concurrent_trials": None, "timeout": None}
    assert parse_limits(raw) == (Limits(8, 8), [])


def test_no_more_run_at_once_than_there_are():
    assert parse_limits({"max_total_trials": 2, "max_concurrent_trials": 4}) == (Limits(2, 2), [])


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        ({}, "sweep.limits.max_total_trials: a sweep needs this key"),
        ({"max_total_trials": 0}, "from 1 to 1000, got 0"),
        ({"max_total_trials": 1001}, "from 1 to 1000, got 1001"),
        ({"max_total_trials": 8, "max_concurrent_trials": -1}, "from 1 to 1000, got -1"),
        ({"max_total_trials": 2, "timeout": 0}, "timeout: must be a whole number, at least 1"),
        ({"max_total_trials": 2, "trial_timeout": -5}, "trial_timeout: must be a whole number"),
        ({"max_total_trials": 2, "max_trials": 3}, "did you mean"),
    ],
)
def test_a_broken_limit_is_reported(raw, part):
    limits, faults = parse_limits(raw)
    assert limits is None
    assert part in faults[0]
