"""Truncation selection policy: end the worst share of the trials."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from mnist_exp.sweeps.ranking import rank
from mnist_exp.sweeps.stopping.policy import Comparison, Policy


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
