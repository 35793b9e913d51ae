"""Truncation selection: end the worst share of the trials."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from mnist_exp.sweeps.ranking import rank
from mnist_exp.sweeps.stopping.policy import Comparison, Policy


@dataclass(frozen=True, kw_only=True)
class TruncationSelectionPolicy(Policy):
    """Ends a trial that is among the worst `truncation_percentage` of all at the interval.

    Each trial counts with its value at the interval, finished ones included (they keep their
    place, though they cannot be cut any more). How Azure ML rounds the share of a few trials is
    not published; here it is rounded down, so that 20 % of four trials cuts none. Of equal
    values the higher index is the lower place, as for the best trial.

    Attributes:
        truncation_percentage: The share to cut, 1 to 99 percent.
    """

    type: ClassVar[str] = "truncation_selection"
    truncation_percentage: int

    def reason_to_cut(self, comparison: Comparison) -> str | None:
        """Find the trial's place by its value at the interval."""
        latest = {index: [values[-1]] for index, values in comparison.histories.items()}
        order = rank(latest, comparison.goal)
        # Floats would make 29 % of 100 trials 28.
        count = len(order) * self.truncation_percentage // 100
        place = order.index(comparison.trial) + 1
        if place <= len(order) - count:
            return None
        return (
            f"{latest[comparison.trial][0]:.3g} is number {place} of {len(order)} trials, among the "
            f"worst {self.truncation_percentage} % (best: trial {comparison.leader})"
        )

    def faults(self) -> Iterator[tuple[str, str]]:
        """The share must leave some and take some."""
        if not 1 <= self.truncation_percentage <= 99:
            yield (
                "truncation_percentage",
                f"must be a whole number, from 1 to 99, got {self.truncation_percentage}",
            )
