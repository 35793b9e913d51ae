"""Median stopping policy: end a trial that is worse than the median of all trials."""

import statistics
from dataclasses import dataclass
from typing import ClassVar

from mnist_exp.sweeps.stopping.policy import Comparison, Policy


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
