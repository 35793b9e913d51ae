"""What an eviction has cost."""

from collections.abc import Sequence

import pytest

from mnist_exp.metrics import MetricPoint
from mnist_exp.workspaces.local.jobs.console import Attempt
from mnist_exp.workspaces.local.jobs.eviction import Eviction


def points(*steps: int) -> dict[str, list[MetricPoint]]:
    return {"accuracy": [MetricPoint("accuracy", 0.5, step) for step in steps]}


@pytest.mark.parametrize(
    ("before", "after", "cost"),
    [
        (Attempt(0, 3), Attempt(3, 20), "resumed from epoch 3 and lost 0 epochs"),
        (Attempt(0, 3), Attempt(2, 20), "resumed from epoch 2 and lost 1 epoch"),
        (Attempt(0, 3), Attempt(0, 20), "restarted at the beginning and lost 3 epochs"),
        # Both attempts may resume from another run.
        (Attempt(12, 15), Attempt(12, 20), "resumed from epoch 12 and lost 3 epochs"),
        (Attempt(12, 15), Attempt(14, 20), "resumed from epoch 14 and lost 1 epoch"),
    ],
)
def test_a_script_that_prints_its_epochs(before: Attempt, after: Attempt, cost: str) -> None:
    eviction = Eviction("evicted", before.epochs, before, {})
    assert eviction.cost(after, {}) == f"evicted; the second attempt {cost}"


@pytest.mark.parametrize(
    ("before", "after", "cost"),
    [
        ([0, 1, 2], [3, 4], "the second attempt resumed at step 3 and lost 0 steps"),
        ([0, 1, 2], [2, 3], "the second attempt resumed at step 2 and lost 1 step"),
        ([0, 1, 2], [0, 1], "the second attempt restarted at step 0 and lost 3 steps"),
        ([0, 1, 2], [], "it is not known whether the second attempt resumed"),
        ([0, 0, 0], [0, 0], "it is not known whether the second attempt resumed"),
        ([], [0], "it is not known whether the second attempt resumed"),
    ],
)
def test_a_script_that_logs_only(before: Sequence[int], after: Sequence[int], cost: str) -> None:
    eviction = Eviction("evicted", len(before), Attempt(), points(*before) if before else {})
    assert eviction.cost(Attempt(), points(*before, *after)).startswith(f"evicted; {cost}")
