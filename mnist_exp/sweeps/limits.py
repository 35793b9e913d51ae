"""The limits of a sweep.

https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-sweep#limits
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mnist_exp.sweeps.fields import Fields

#: Azure ML's upper bound for max_total_trials and max_concurrent_trials.
MOST_TRIALS = 1000


@dataclass(frozen=True)
class Limits:
    """The limits of a sweep. All times are in seconds.

    Attributes:
        timeout: Maximum time for the whole sweep; None for no limit.
        trial_timeout: Maximum time for each trial, from its start; None for no limit.
    """

    max_total_trials: int
    max_concurrent_trials: int
    timeout: int | None = None
    trial_timeout: int | None = None

    def left(self, elapsed: float) -> float:
        """Return the seconds that remain until the sweep's timeout.

        Args:
            elapsed: The number of seconds since the start of the sweep.
        """
        return math.inf if self.timeout is None else self.timeout - elapsed

    def trial_left(self, elapsed: float) -> float:
        """Return the seconds that remain until a trial's timeout.

        Args:
            elapsed: The number of seconds since the start of the trial.
        """
        return math.inf if self.trial_timeout is None else self.trial_timeout - elapsed


def parse_limits(
    raw: Mapping[str, Any], where: str = "sweep.limits"
) -> tuple[Limits | None, list[str]]:
    """Read a sweep's limits.

    Without max_concurrent_trials all trials run at the same time, as in Azure ML.
    max_concurrent_trials may be larger than max_total_trials, because Azure ML documents a separate
    range for each key. A timeout of 0 is a fault: the SDK accepts 0, but the meaning of 0 is not
    documented.

    Returns:
        A pair: the limits (None if there are faults), and the faults, one line per fault.
    """
    part = Fields(raw, where)
    part.only(
        ["max_total_trials", "max_concurrent_trials", "timeout", "trial_timeout"],
        "a sweep's limits",
    )
    part.required(["max_total_trials"], "a sweep")
    total = part.integer("max_total_trials", 1, MOST_TRIALS)
    concurrent = part.integer("max_concurrent_trials", 1, MOST_TRIALS)
    timeout, trial_timeout = part.integer("timeout", 1), part.integer("trial_timeout", 1)
    if part.faults or total is None:
        return None, part.faults
    return Limits(total, min(concurrent or total, total), timeout, trial_timeout), part.faults
