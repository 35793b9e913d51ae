"""Which value, and which trial, is best.

A trial's score is the best value of its whole history, not the last, and a canceled trial keeps
it, as HyperDrive has it:
https://learn.microsoft.com/python/api/azureml-train-core/azureml.train.hyperdrive.hyperdriverun
Ties are not documented: ours go to the lowest index. Values that are not finite cannot win: a
loss that became NaN is worse than any number.
"""

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mnist_exp.sweeps.fields import Fields, did_you_mean, shown


class Goal(StrEnum):
    """Which way a primary metric is better; `Goal("Maximize")` works, as in Azure ML."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @classmethod
    def _missing_(cls, value: object) -> "Goal | None":
        text = str(value).lower()
        return next((goal for goal in cls if goal.value == text), None)

    @property
    def worst(self) -> float:
        """What any number is better than."""
        return -math.inf if self is Goal.MAXIMIZE else math.inf

    def is_better(self, value: float, other: float) -> bool:
        """Whether `value` is strictly better than `other`."""
        return value > other if self is Goal.MAXIMIZE else value < other

    def place(self, score: float, trial: int) -> tuple[float, int]:
        """Return a key that sorts trials from the best to the worst; ties by index."""
        return (-score if self is Goal.MAXIMIZE else score), trial

    def best(self, values: Sequence[float]) -> float | None:
        """Return the best finite value; None if there is none."""
        finite = _finite(values)
        if not finite:
            return None
        return max(finite) if self is Goal.MAXIMIZE else min(finite)

    def best_or_worst(self, values: Sequence[float]) -> float:
        """Return the best finite value, or `worst` if there is none."""
        best = self.best(values)
        return self.worst if best is None else best

    def mean(self, values: Sequence[float]) -> float:
        """Return the mean of the finite values, or `worst` if there is none."""
        finite = _finite(values)
        try:
            return statistics.fmean(finite) if finite else self.worst
        except OverflowError:
            # Of numbers near the largest there is; the mean itself is no larger than they are.
            return math.fsum(value / len(finite) for value in finite)


@dataclass(frozen=True)
class Objective:
    """The metric that a sweep looks at: exactly the name that the script logs."""

    primary_metric: str
    goal: Goal


def parse_objective(
    raw: Mapping[str, Any], where: str = "sweep.objective"
) -> tuple[Objective | None, list[str]]:
    """Read `{primary_metric, goal}`; the second item has a line for every fault."""
    part = Fields(raw, where)
    part.only(["primary_metric", "goal"], "an objective")
    part.required(["primary_metric", "goal"], "an objective")
    name = part.raw.get("primary_metric")
    if name is not None and (not isinstance(name, str) or not name.strip() or name != name.strip()):
        part.fault(
            "primary_metric", f"must be a metric's name without blanks around, got {shown(name)}"
        )
    goal = part.member("goal", Goal)
    if part.faults or name is None or goal is None:
        return None, part.faults
    return Objective(name, goal), part.faults


def rank(histories: Mapping[int, Sequence[float]], goal: Goal) -> list[int]:
    """Order trials from the best to the worst.

    Args:
        histories: Trial index -> every value of the primary metric, in order of arrival.
        goal: Which way is better.

    Returns:
        The indices; those that never logged a finite value come last, by index.
    """
    return sorted(
        histories, key=lambda trial: goal.place(goal.best_or_worst(histories[trial]), trial)
    )


def missing_metric_hint(primary_metric: str, logged: Collection[str]) -> str:
    """Say that no trial logged the primary metric, and what was logged instead."""
    if not logged:
        return (
            f"no trial logged {primary_metric!r}, nor any other metric; "
            f"log it with mlflow.log_metric({primary_metric!r}, value)"
        )
    if primary_metric in logged:
        return f"no trial logged a finite {primary_metric!r}, so there is no best one"
    near = logged_instead(primary_metric, logged, "sweep.objective.primary_metric")
    return f"no trial logged {primary_metric!r}, so there is no best one; {near}"


def logged_instead(primary_metric: str, logged: Collection[str], key: str) -> str:
    """Say what was logged instead of a metric, and what could be meant.

    Args:
        primary_metric: The metric that is missing.
        logged: Those that are there, at least one.
        key: The config key that names the metric.
    """
    near = did_you_mean(primary_metric, logged) or f"; set {key} to one of them"
    return f"logged were: {', '.join(sorted(logged))}{near}"


def _finite(values: Sequence[float]) -> Sequence[float]:
    # A sum is finite only if every value is: the common case, without a loop in Python.
    if math.isfinite(sum(values)):
        return values
    return [value for value in values if math.isfinite(value)]
