"""Median stopping: end a trial that is worse than the typical one."""

import statistics
from dataclasses import dataclass
from typing import ClassVar

from mnist_exp.sweeps.stopping.policy import Policy, Standing


@dataclass(frozen=True, kw_only=True)
class MedianStoppingPolicy(Policy):
    """Ends a trial whose best value is worse than the median of the running averages.

    A running average is the mean of a trial's values up to the interval. Whether Azure ML counts
    the judged trial's own is not published; here it counts.
    """

    type: ClassVar[str] = "median_stopping"

    def reason_to_cut(self, standing: Standing) -> str | None:
        """Compare the trial's best with the median, both up to the interval."""
        averages = [standing.goal.mean(values) for values in standing.histories.values()]
        median = statistics.median(averages)
        if not standing.is_behind(median):
            return None
        shown, limit = standing.shown(median)
        return (
            f"{shown} {standing.sign} {limit}, the median of the running averages "
            f"of {len(averages)} trials (best: trial {standing.leader})"
        )
