"""The metrics that scripts log.

The code that reads the MLflow store, the tuner of a sweep and the progress display all use the type
`MetricPoint`.
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
        row: The number of the row in the local MLflow store; 0 if the value does not come from a
            local store. The store numbers the rows of all runs together.
    """

    name: str
    value: float
    step: int = 0
    trial: int = 0
    row: int = 0


def from_store(value: float) -> float:
    """Return the value that a script logged, given the number that MLflow stored.

    SQL cannot represent infinity. MLflow therefore stores the largest float instead of infinity.
    """
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else value


def have_steps(points: Sequence[MetricPoint]) -> bool:
    """Return whether the script logs steps: whether all points have different steps.

    For a single point with step 0, the function returns False, because MLflow also stores 0 if the
    script logged no step.
    """
    steps = {point.step for point in points}
    return len(steps) == len(points) and steps != {0}
