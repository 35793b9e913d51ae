"""The metrics that scripts log.

The reader of the store, the tuner and the display use the same type.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class MetricPoint:
    """One value of a metric.

    Attributes:
        name: The metric's name.
        step: The step that the script logged. If the script logged no step, MLflow stores 0.
        trial: The index of the trial that logged the value; 0 for a job outside a sweep.
        row: The number of the row in the local store, counted over all runs; 0 for a value that
            is not in a local store.
    """

    name: str
    value: float
    step: int = 0
    trial: int = 0
    row: int = 0


def from_store(value: float) -> float:
    """Return the value that a script logged, given the number that MLflow stored.

    SQL cannot represent infinity. MLflow stores the largest float instead of infinity.
    """
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else value


def have_steps(points: Sequence[MetricPoint]) -> bool:
    """Return whether all points have different steps.

    A single point with step 0 returns False, because MLflow also stores 0 for a missing step.
    """
    steps = {point.step for point in points}
    return len(steps) == len(points) and steps != {0}
