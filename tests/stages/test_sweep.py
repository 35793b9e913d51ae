"""The record of a sweep."""

from mnist_exp.config import Stage
from mnist_exp.records import Record
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.stages.sweep import with_insights
from mnist_exp.status import JobStatus
from tests.support.small_jobs import choice, sweep_job


def test_a_sweep_keeps_its_results_without_insights() -> None:
    # More than a float holds: Azure ML, or a journal of before, may have it.
    trials = [
        TrialResult(f"sweep_{i}", JobStatus.COMPLETED, {"x": i, "y": 10**400 + i}, best=i / 4)
        for i in range(10)
    ]
    result = JobResult("sweep", JobStatus.COMPLETED, trials=trials, best="sweep_9")
    record = Record(Stage.sweep, "sweep", JobStatus.COMPLETED, "2026-11-01T10:00:00+00:00")
    found = with_insights(record, sweep_job("true", {"x": choice(1)}), result)
    assert found.insights == {}
    assert found.warnings == [
        "insights: could not be computed (OverflowError: int too large to convert to float)"
    ]
