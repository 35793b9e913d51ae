"""Which value and which trial is best.

As in HyperDrive, the score of a trial is the best value of its whole history, not the last one,
and a canceled trial keeps its score:
https://learn.microsoft.com/python/api/azureml-train-core/azureml.train.hyperdrive.hyperdriverun
Azure ML does not document ties; here the lowest index wins. A value that is not finite never
wins: a loss that became NaN is worse than any number.
"""

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mnist_exp.sweeps.fields import Fields, did_you_mean, shown


class Goal(StrEnum):
    """The direction in which a metric is better; `Goal("Maximize")` works, as in Azure ML."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @classmethod
    def _missing_(cls, value: object) -> "Goal | None":
        text = str(value).lower()
        return next((goal for goal in cls if goal.value == text), None)

    @property
    def worst(self) -> float:
        """The infinity that is worse than any number."""
        return -math.inf if self is Goal.MAXIMIZE else math.inf

    def is_better(self, value: float, other: float) -> bool:
        """Whether `value` is strictly better than `other`."""
        return value > other if self is Goal.MAXIMIZE else value < other

    def place(self, score: float, trial: int) -> tuple[float, int]:
        """Return a key that sorts trials from the best to the worst, and equal ones by index."""
        return (-score if self is Goal.MAXIMIZE else score), trial

    def best(self, values: Sequence[float]) -> float | None:
        """Return the best finite value; None if no value is finite."""
        finite = _finite(values)
        if not finite:
            return None
        return max(finite) if self is Goal.MAXIMIZE else min(finite)

    def best_or_worst(self, values: Sequence[float]) -> float:
        """Return the best finite value, or `worst` if no value is finite."""
        best = self.best(values)
        return self.worst if best is None else best

    def mean(self, values: Sequence[float]) -> float:
        """Return the mean of the finite values, or `worst` if no value is finite."""
        finite = _finite(values)
        try:
            return statistics.fmean(finite) if finite else self.worst
        except OverflowError:
            # The sum of the values is too large for a float; their mean is not.
            return math.fsum(value / len(finite) for value in finite)


@dataclass(frozen=True)
class Objective:
    """The metric that a sweep optimizes, by the exact name that the script logs."""

    primary_metric: str
    goal: Goal


def parse_objective(
    raw: Mapping[str, Any], where: str = "sweep.objective"
) -> tuple[Objective | None, list[str]]:
    """Read `{primary_metric, goal}`; the second item has a line for each fault."""
    part = Fields(raw, where)
    part.only(["primary_metric", "goal"], "an objective")
    part.required(["primary_metric", "goal"], "an objective")
    name = part.raw.get("primary_metric")
    if name is not None and (not isinstance(name, str) or not name.strip() or name != name.strip()):
        part.fault(
            "primary_metric", f"must be a metric's name without spaces around it, got {shown(name)}"
        )
    goal = part.member("goal", Goal)
    if part.faults or name is None or goal is None:
        return None, part.faults
    return Objective(name, goal), part.faults


def rank(histories: Mapping[int, Sequence[float]], goal: Goal) -> list[int]:
    """Order trials from the best to the worst.

    Args:
        histories: Trial index -> every value of the primary metric, in order of arrival.
        goal: The direction in which the metric is better.

    Returns:
        The indices. Trials without a finite value come last, by index.
    """
    return sorted(
        histories, key=lambda trial: goal.place(goal.best_or_worst(histories[trial]), trial)
    )


def missing_metric_hint(primary_metric: str, logged: Collection[str]) -> str:
    """Return a line that no trial logged the primary metric, with the metrics that were logged."""
    if not logged:
        return (
            f"no trial logged {primary_metric!r}, nor any other metric; "
            f"log it with mlflow.log_metric({primary_metric!r}, value)"
        )
    if primary_metric in logged:
        return f"no trial logged a finite {primary_metric!r}, so there is no best trial"
    near = logged_instead(primary_metric, logged, "sweep.objective.primary_metric")
    return f"no trial logged {primary_metric!r}, so there is no best trial; {near}"


def logged_instead(primary_metric: str, logged: Collection[str], key: str) -> str:
    """Return the metrics that were logged instead of another, with a suggestion.

    Args:
        primary_metric: The metric that is missing.
        logged: The metrics that were logged, at least one.
        key: The config key that names the missing metric.
    """
    near = did_you_mean(primary_metric, logged) or f"; set {key} to one of them"
    return f"logged were: {', '.join(sorted(logged))}{near}"


def _finite(values: Sequence[float]) -> Sequence[float]:
    # The sum is finite only if every value is: this covers the usual case without a Python loop.
    if math.isfinite(sum(values)):
        return values
    return [value for value in values if math.isfinite(value)]
