"""Azure ML's three early-termination policies: bandit, median stopping, truncation selection."""

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from mnist_exp.sweeps.ranking import Goal, rank
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


@dataclass(frozen=True, kw_only=True)
class MedianStoppingPolicy(Policy):
    """Ends a trial whose best value is worse than the median of the running averages.

    A running average is the mean of a trial's values up to the interval. Azure ML does not
    document whether the average of the judged trial counts too; here it does.
    """

    type: ClassVar[str] = "median_stopping"

    def reason_to_cut(self, comparison: Comparison) -> str | None:
        """Compare the trial's best value with the median, both up to the interval."""
        averages = [comparison.goal.mean(values) for values in comparison.histories.values()]
        median = statistics.median(averages)
        if not comparison.is_behind(median):
            return None
        shown, limit = comparison.shown(median)
        return (
            f"{shown} {comparison.sign} {limit}, the median of the running averages "
            f"of {len(averages)} trials (best: trial {comparison.leader})"
        )


@dataclass(frozen=True, kw_only=True)
class TruncationSelectionPolicy(Policy):
    """Ends a trial that is among the worst `truncation_percentage` of all at the interval.

    Trials are ranked by their value at the interval. Finished trials keep their place, although
    they cannot be cut any more. Azure ML does not document how it rounds the share of a few
    trials; here it is rounded down, so that 20 % of four trials cuts none. Among equal values the
    lower index is better, as for the best trial.

    Attributes:
        truncation_percentage: The share to cut, 1 to 99 percent.
    """

    type: ClassVar[str] = "truncation_selection"
    truncation_percentage: int

    def reason_to_cut(self, comparison: Comparison) -> str | None:
        """Rank the trials by their values at the interval."""
        latest = {index: [values[-1]] for index, values in comparison.histories.items()}
        order = rank(latest, comparison.goal)
        # With floats, 29 % of 100 trials would be 28.
        count = len(order) * self.truncation_percentage // 100
        place = order.index(comparison.trial) + 1
        if place <= len(order) - count:
            return None
        value = latest[comparison.trial][0]
        return (
            f"{value:.3g} is number {place} of {len(order)} trials, among the worst "
            f"{self.truncation_percentage} % (best: trial {comparison.leader})"
        )

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield a fault unless the share is from 1 to 99 percent."""
        if not 1 <= self.truncation_percentage <= 99:
            yield (
                "truncation_percentage",
                f"must be a whole number, from 1 to 99, got {self.truncation_percentage}",
            )
