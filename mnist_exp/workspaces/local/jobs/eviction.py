"""The cost of an eviction: what the job had done, and where its second attempt resumed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mnist_exp.metrics import MetricPoint, have_steps
from mnist_exp.workspaces.local.jobs.console import Attempt

_Histories = Mapping[str, Sequence[MetricPoint]]


@dataclass(frozen=True)
class Eviction:
    """The end of a job's first attempt.

    Attributes:
        note: The line about the eviction in the logs.
        epochs: How many epochs the first attempt had done.
        before: What the first attempt had printed.
        logged: What the first attempt had logged.
    """

    note: str
    epochs: int
    before: Attempt
    logged: _Histories

    def cost(self, after: Attempt, logged: _Histories) -> str:
        """Return a line that says what was lost, as far as the second attempt shows it.

        Args:
            after: What the second attempt has printed.
            logged: What both attempts have logged.
        """
        if after.resumed_from is not None:
            return f"{self.note}; the second attempt {self._from_epoch(after.resumed_from)}"
        name = max(self.logged, key=lambda one: len(self.logged[one]), default="")
        before = self.logged.get(name, ())
        steps = [point.step for point in before]
        later = [point.step for point in logged.get(name, ())][len(before) :]
        if before and later and have_steps(before):
            lost = sum(step >= later[0] for step in steps)
            how = "resumed" if lost < len(steps) else "restarted"
            return f"{self.note}; the second attempt {how} at step {later[0]}, {lost} were lost"
        return (
            f"{self.note}; whether the second attempt resumed is not known, since it neither "
            "printed 'resuming from epoch N' nor logged with steps"
        )

    def _from_epoch(self, epoch: int) -> str:
        where = f"resumed from epoch {epoch}" if epoch else "restarted at the beginning"
        lost = (self.before.resumed_from or 0) + self.epochs - epoch
        return f"{where}, {max(0, lost)} epochs were lost"
