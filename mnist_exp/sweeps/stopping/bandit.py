"""Bandit policy: end a trial that is too far behind the best one."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from mnist_exp.sweeps.ranking import Goal
from mnist_exp.sweeps.stopping.policy import Comparison, Policy


@dataclass(frozen=True, kw_only=True)
class BanditPolicy(Policy):
    """Ends a trial whose best value is worse than the leader's by more than the slack.

    Example for maximize: with best 0.8 and slack_factor 0.2, a trial below 0.8 / 1.2 = 0.667 ends.
    For minimize Azure ML documents no formula; here a trial above best * 1.2 ends. A slack_amount
    is subtracted from the best value, or added to it.

    A ratio of a value that is not above 0 makes little sense, because the bound is then better
    than the best value. The formula stays the same, the leader is still never cut, and `caution`
    returns a warning.

    Attributes:
        slack_factor: The slack as a ratio; 0 means unset, as in the SDK.
        slack_amount: The slack as a difference; 0 means unset.
    """

    type: ClassVar[str] = "bandit"
    slack_factor: float = 0.0
    slack_amount: float = 0.0

    def reason_to_cut(self, comparison: Comparison) -> str | None:
        """Compare the best values of the trial and of the leader, both up to the interval."""
        best = comparison.bests[comparison.leader]
        operator, slack, bound = self._bound(best, comparison.goal)
        if not comparison.is_behind(bound, best, slack):
            return None
        shown, limit, leading = comparison.shown(bound, best)
        return (
            f"{shown} {comparison.sign} {leading} {operator} {slack:g} = {limit} "
            f"(best: trial {comparison.leader})"
        )

    def _bound(self, best: float, goal: Goal) -> tuple[str, float, float]:
        maximize = goal is Goal.MAXIMIZE
        if self.slack_factor:
            ratio = 1 + self.slack_factor
            return ("/", ratio, best / ratio) if maximize else ("*", ratio, best * ratio)
        amount = self.slack_amount
        return ("-", amount, best - amount) if maximize else ("+", amount, best + amount)

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield a fault unless exactly one slack is set, and it is above 0."""
        given = [name for name in ("slack_factor", "slack_amount") if getattr(self, name)]
        for name in given:
            if getattr(self, name) < 0:
                yield name, f"must be above 0, got {getattr(self, name):g}"
        if len(given) != 1:
            yield (
                "",
                "a bandit takes slack_factor or slack_amount, one of them (0 means unset), "
                f"got {self.slack_factor:g} and {self.slack_amount:g}",
            )

    def caution(self, value: float) -> str | None:
        """Return a warning if a ratio is used with a value that is not above 0."""
        if self.slack_factor and -math.inf < value <= 0:
            return (
                f"a bandit's slack_factor is a ratio and the primary metric was {value:g}, not "
                "above 0: trials close to the best will be cut; use slack_amount"
            )
        return None
