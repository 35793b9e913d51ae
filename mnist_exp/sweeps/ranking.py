"""Compare values of a metric, and rank trials from the best to the worst.

As in HyperDrive, the score of a trial is the best value of its whole history, not the last value.
Canceled trials are ranked too:
https://learn.microsoft.com/python/api/azureml-train-core/azureml.train.hyperdrive.hyperdriverun
Azure ML does not document how trials with equal scores are ranked. Here the trial with the lower
index is better. Every finite value is better than NaN and infinity, because a trial whose loss
became NaN has no useful result.
"""

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mnist_exp.sweeps.fields import Fields, did_you_mean, shown


class Goal(StrEnum):
    """The goal of a sweep: the largest or the smallest value of the metric.

    As in Azure ML, upper and lower case make no difference: `Goal("Maximize")` is valid.
    """

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
        """Return whether `value` is strictly better than `other`."""
        return value > other if self is Goal.MAXIMIZE else value < other

    def place(self, score: float, trial: int) -> tuple[float, int]:
        """Return a sort key: the best score first, equal scores in the order of the indices."""
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
            # The sum of the values is too large for a float, but the mean is not.
            return math.fsum(value / len(finite) for value in finite)


@dataclass(frozen=True)
class Objective:
    """The goal of a sweep, and the metric that the sweep optimizes.

    Attributes:
        primary_metric: The name of the metric, exactly as the script logs the metric.
    """

    primary_metric: str
    goal: Goal


def parse_objective(
    raw: Mapping[str, Any], where: str = "sweep.objective"
) -> tuple[Objective | None, list[str]]:
    """Read the mapping `{primary_metric, goal}`.

    Returns:
        A pair: the objective (None if there are faults), and the faults, one line per fault.
    """
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
    """Return the trials from the best to the worst.

    Args:
        histories: Trial index -> every value of the primary metric, in order of arrival.
        goal: Whether large or small values of the metric are better.

    Returns:
        The indices. Trials without a finite value are last, in the order of their indices.
    """
    return sorted(
        histories, key=lambda trial: goal.place(goal.best_or_worst(histories[trial]), trial)
    )


def missing_metric_hint(primary_metric: str, logged: Collection[str]) -> str:
    """Return a warning that the sweep has no best trial.

    Args:
        primary_metric: The metric that the sweep optimizes.
        logged: The metrics that the trials logged.
    """
    if not logged:
        return (
            f"no trial logged the metric {primary_metric!r} or any other metric; "
            f"log the metric with mlflow.log_metric({primary_metric!r}, value)"
        )
    if primary_metric in logged:
        return f"no trial logged a finite {primary_metric!r}, so there is no best trial"
    near = logged_instead(primary_metric, logged, "sweep.objective.primary_metric")
    return f"no trial logged {primary_metric!r}, so there is no best trial; {near}"


def logged_instead(primary_metric: str, logged: Collection[str], key: str) -> str:
    """Return a text that lists the logged metrics and suggests a replacement.

    Args:
        primary_metric: The metric that is missing.
        logged: The metrics that were logged, at least one.
        key: The config key whose value is the missing metric.
    """
    near = did_you_mean(primary_metric, logged) or f"; set {key} to one of these metrics"
    return f"the logged metrics are: {', '.join(sorted(logged))}{near}"


def logged_to_other_runs(primary_metric: str) -> str:
    """Return a warning that the primary metric was logged, but not to the job's MLflow run.

    Azure ML also reads the primary metric only from the job's run.
    """
    return (
        f"{primary_metric!r} was logged only to other MLflow runs than the job's run, e.g. to a "
        "nested run; Azure ML reads the metric from the job's run: log the metric before "
        "mlflow.start_run(nested=True), or after the nested run has ended"
    )


def _finite(values: Sequence[float]) -> Sequence[float]:
    # If the sum is finite, every value is finite. This check avoids a Python loop in most cases.
    if math.isfinite(sum(values)):
        return values
    return [value for value in values if math.isfinite(value)]
