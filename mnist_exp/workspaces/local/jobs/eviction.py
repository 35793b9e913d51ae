"""What an eviction has cost: what a job had done, and where its next attempt went on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mnist_exp.results import MetricPoint
from mnist_exp.workspaces.local.jobs.console import Attempt
from mnist_exp.workspaces.local.tracking.metric_rows import have_steps

_Histories = Mapping[str, Sequence[MetricPoint]]


@dataclass(frozen=True)
class Eviction:
    """A job whose node was taken away.

    Attributes:
        note: What was said of it, and stands in the logs.
        epochs: How many were done in the attempt.
        before: What it had printed.
        logged: What it had logged.
    """

    note: str
    epochs: int
    before: Attempt
    logged: _Histories

    def cost(self, after: Attempt, logged: _Histories) -> str:
        """Return what was lost, as far as the next attempt tells.

        Args:
            after: What that has printed.
            logged: What both have logged.
        """
        if after.went_on_from is not None:
            return f"{self.note}; the second attempt {self._from_epoch(after.went_on_from)}"
        name = max(self.logged, key=lambda one: len(self.logged[one]), default="")
        before = [point.step for point in self.logged.get(name, ())]
        later = [point.step for point in logged.get(name, ())][len(before) :]
        if before and later and have_steps(before):
            lost = sum(step >= later[0] for step in before)
            how = "went on" if lost < len(before) else "began again"
            return f"{self.note}; the second attempt {how} at step {later[0]}, {lost} were lost"
        return (
            f"{self.note}; whether the second attempt went on is not known, since it neither "
            "printed 'resuming from epoch N' nor logged with steps"
        )

    def _from_epoch(self, epoch: int) -> str:
        where = f"went on from epoch {epoch}" if epoch else "began again at the beginning"
        lost = (self.before.went_on_from or 0) + self.epochs - epoch
        return f"{where}, {max(0, lost)} epochs were lost"
