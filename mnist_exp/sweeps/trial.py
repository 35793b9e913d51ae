"""A trial as the tuner sees it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mnist_exp.metrics import MetricPoint
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.ranking import Goal
from mnist_exp.sweeps.sampling.algorithms import Parameters
from mnist_exp.sweeps.stopping.policy import Cut


@dataclass
class Trial:
    """One configuration and what came of it; only the tuner changes a trial.

    Attributes:
        started: When the trial started, in seconds of the backend's clock.
        ended: When its end was reported.
        values: Every value of the primary metric, in order of arrival.
        metrics: Name -> every point of that metric, in order of arrival.
        why: Why the trial did not simply complete, in plain words.
        cut: The decision of the early-termination policy, if the policy ended the trial.
        decided: Whether a policy or a timeout decided to end the trial for good.
    """

    index: int
    parameters: Parameters
    started: float
    status: JobStatus = JobStatus.RUNNING
    values: list[float] = field(default_factory=list)
    metrics: dict[str, list[MetricPoint]] = field(default_factory=dict)
    ended: float | None = None
    exit_code: int | None = None
    why: str = ""
    cut: Cut | None = None
    decided: bool = False

    def best(self, goal: Goal) -> float | None:
        """Return the best finite value of the whole history; None if there is none."""
        return goal.best(self.values)

    def points(self, metric: str) -> Sequence[MetricPoint]:
        """Return every point of a metric, in order of arrival."""
        return self.metrics.get(metric, ())

    def record(self, point: MetricPoint, primary_metric: str) -> None:
        """Add a point that the trial logged."""
        self.metrics.setdefault(point.name, []).append(point)
        if point.name == primary_metric:
            self.values.append(point.value)

    def forget_values(self) -> None:
        """Drop all points, since the trial restarts."""
        self.values.clear()
        self.metrics.clear()
