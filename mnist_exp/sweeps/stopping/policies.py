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
    """A policy that cuts trials whose best value is much worse than the leader's best value.

    The leader is the trial with the best value. The slack is the allowed distance to this value.
    Example for maximize: the leader's value is 0.8 and slack_factor is 0.2. Then every trial below
    0.8 / 1.2 = 0.667 is cut. For minimize, Azure ML documents no formula. Here every trial above
    the leader's value * 1.2 is cut. A slack_amount is subtracted from the leader's value for
    maximize, and added for minimize.

    If the leader's value is negative, the formula gives a limit that is better than this value, so
    slack_factor is not useful. The policy still uses the same formula, but never cuts the leader.
    For such values, `caution` returns a warning.

    Attributes:
        slack_factor: The slack as a ratio. As in the SDK, 0 means that the field is not set.
        slack_amount: The slack as a difference. 0 means that the field is not set.
    """

    type: ClassVar[str] = "bandit"
    slack_factor: float = 0.0
    slack_amount: float = 0.0

    def reason_to_cut(self, comparison: Comparison) -> str | None:
        """Return a reason if the trial is too far behind the leader, else None.

        Values after the interval are ignored.
        """
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
        """Yield a fault if a slack is negative, if both slacks are set, or if no slack is set."""
        given = [name for name in ("slack_factor", "slack_amount") if getattr(self, name)]
        for name in given:
            if getattr(self, name) < 0:
                yield name, f"must be above 0, got {getattr(self, name):g}"
        if len(given) != 1:
            yield (
                "",
                "a bandit needs either slack_factor or slack_amount (0 means unset), "
                f"got slack_factor {self.slack_factor:g} and slack_amount {self.slack_amount:g}",
            )

    def caution(self, value: float) -> str | None:
        """Return a warning if a ratio is used with a value that is not above 0."""
        if self.slack_factor and -math.inf < value <= 0:
            return (
                "a bandit's slack_factor is a ratio and needs a primary metric above 0, got "
                f"{value:g}; trials close to the best trial will be cut; use slack_amount"
            )
        return None


@dataclass(frozen=True, kw_only=True)
class MedianStoppingPolicy(Policy):
    """A policy that cuts trials whose best value is worse than the median of running averages.

    The running average of a trial is the mean of its values up to the interval. Azure ML does not
    document whether the judged trial's own average is one of the averages. Here the median is over
    the averages of all trials, including the judged trial.
    """

    type: ClassVar[str] = "median_stopping"

    def reason_to_cut(self, comparison: Comparison) -> str | None:
        """Return a reason if the trial's best value is worse than the median, else None.

        Values after the interval are ignored.
        """
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
    """A policy that cuts the trials with the worst values at an interval.

    Trials are ranked by their value at the interval. The ranking includes finished trials, although
    a finished trial cannot be cut. The number of trials to cut is rounded down. For example, 20 %
    of four trials is 0.8, so no trial is cut. Azure ML does not document its rounding. If two
    values are equal, the trial with the lower index is better, as in the ranking of the sweep.

    The trial with the best value so far is cut like any other trial if its value at the interval is
    among the worst. Azure ML's documentation compares values at the interval only, and names no
    exception. The cut trial can still be the best trial of the sweep.

    Attributes:
        truncation_percentage: The share of the trials to cut, from 1 to 99 percent.
    """

    type: ClassVar[str] = "truncation_selection"
    spares_leader: ClassVar[bool] = False
    truncation_percentage: int

    def reason_to_cut(self, comparison: Comparison) -> str | None:
        """Return a reason if the trial is among the worst trials at the interval, else None."""
        latest = {index: [values[-1]] for index, values in comparison.histories.items()}
        order = rank(latest, comparison.goal)
        # Compute with integers: with floats, 29 % of 100 trials would be 28 trials.
        count = len(order) * self.truncation_percentage // 100
        place = order.index(comparison.trial) + 1
        if place <= len(order) - count:
            return None
        value = latest[comparison.trial][0]
        return (
            f"{value:.3g} has rank {place} of {len(order)} trials, among the worst "
            f"{self.truncation_percentage} % (best: trial {comparison.leader})"
        )

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield a fault if the percentage is not from 1 to 99."""
        if not 1 <= self.truncation_percentage <= 99:
            yield (
                "truncation_percentage",
                f"must be a whole number, from 1 to 99, got {self.truncation_percentage}",
            )
