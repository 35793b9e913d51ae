"""Metrics as scripts log them: one type from the store's reader to the tuner and the display."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class MetricPoint:
    """One value of a metric.

    Attributes:
        name: The metric's name.
        step: The step that the script gave; MLflow fills in 0 where it gave none.
        trial: The index of the trial that logged the value; 0 for a job outside a sweep.
        row: The row in the local store, counted over all runs; 0 where there is no such row.
    """

    name: str
    value: float
    step: int = 0
    trial: int = 0
    row: int = 0


def from_store(value: float) -> float:
    """Return the value that a script logged, given the number that MLflow stored.

    SQL has no infinity: MLflow stores the largest float instead.
    """
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else value


def have_steps(points: Sequence[MetricPoint]) -> bool:
    """Whether each point has a step of its own; a single 0 is what MLflow fills in."""
    steps = {point.step for point in points}
    return len(steps) == len(points) and steps != {0}
