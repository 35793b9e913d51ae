"""The tuner's data about one trial."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mnist_exp.metrics import MetricPoint
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.ranking import Goal
from mnist_exp.sweeps.sampling.algorithms import Parameters
from mnist_exp.sweeps.stopping.policy import Cut


@dataclass
class Trial:
    """One configuration and its results. Only the tuner changes a trial.

    Attributes:
        started: Time when the trial started, in seconds of the backend's clock.
        values: The values of the primary metric that count, in order of arrival: all values up to
            the decision to end the trial.
        metrics: Name of a metric -> every point of the metric, in order of arrival, including the
            points after the decision to end the trial.
        ended: Time when the backend reported that the trial had ended, on the same clock.
        why: Why the trial was canceled or failed. For a completed trial, the text is a
            remark or empty.
        cut: The policy's decision to end the trial early; None if no policy ended the trial.
        end_decided: Whether the journal contains a decision to end the trial. Such a trial cannot
            resume.
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
    end_decided: bool = False

    def best(self, goal: Goal) -> float | None:
        """Return the best finite value that counts; None if there is no such value."""
        return goal.best(self.values)

    def points(self, metric: str) -> Sequence[MetricPoint]:
        """Return every point of a metric in order of arrival."""
        return self.metrics.get(metric, ())

    def record(self, point: MetricPoint, primary_metric: str) -> None:
        """Add a point that the trial logged.

        A trial may log points after the decision to end the trial, until its process has ended.
        These points do not count, because their number depends on the speed of the machine.
        """
        self.metrics.setdefault(point.name, []).append(point)
        if point.name == primary_metric and not self.end_decided:
            self.values.append(point.value)

    def forget_values(self) -> None:
        """Delete all points of a trial that restarts."""
        self.values.clear()
        self.metrics.clear()
