"""Compute the cost of an eviction: the epochs or steps that the job has to repeat.

An attempt is one execution of the job's command. An eviction ends the first attempt and starts the
second attempt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mnist_exp.metrics import MetricPoint, have_steps
from mnist_exp.results import counted
from mnist_exp.workspaces.local.jobs.console import Attempt

_Histories = Mapping[str, Sequence[MetricPoint]]


@dataclass(frozen=True)
class Eviction:
    """The state of a job's first attempt when the attempt was evicted.

    Attributes:
        note: The line about the eviction in the logs.
        epochs: Number of epochs that the first attempt had completed, from its log or its metrics.
        before: The epochs that the first attempt had printed in its log.
        logged: Metric -> points that the first attempt had logged.
    """

    note: str
    epochs: int
    before: Attempt
    logged: _Histories

    def cost(self, after: Attempt, logged: _Histories) -> str:
        """Return a warning with the number of lost epochs or steps.

        If the second attempt printed no epochs and logged no steps, this number is unknown, and the
        warning contains the reason.

        Args:
            after: The epochs that the second attempt has printed.
            logged: Metric -> points that both attempts have logged.
        """
        if after.resumed_from is not None:
            return f"{self.note}; the second attempt {self._from_epoch(after.resumed_from)}"
        name = max(self.logged, key=lambda metric: len(self.logged[metric]), default="")
        before = self.logged.get(name, ())
        steps = [point.step for point in before]
        later = [point.step for point in logged.get(name, ())][len(before) :]
        if before and later and have_steps(before):
            lost = sum(step >= later[0] for step in steps)
            how = "resumed" if lost < len(steps) else "restarted"
            return (
                f"{self.note}; the second attempt {how} at step {later[0]} "
                f"and lost {counted(lost, 'step')}"
            )
        return (
            f"{self.note}; it is not known whether the second attempt resumed, because the script "
            "neither printed 'resuming from epoch N' nor logged metrics with step="
        )

    def _from_epoch(self, epoch: int) -> str:
        where = f"resumed from epoch {epoch}" if epoch else "restarted at the beginning"
        lost = (self.before.resumed_from or 0) + self.epochs - epoch
        return f"{where} and lost {counted(max(0, lost), 'epoch')}"
