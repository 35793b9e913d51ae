"""The base class of all early-termination policies.

https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters#early-termination
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from mnist_exp.sweeps.ranking import Goal

#: Units in the last place by which rounding can change the result of a few operations.
_ULPS = 4

_Histories = Mapping[int, Sequence[float]]


@dataclass(frozen=True)
class Cut:
    """A policy's decision to end a trial.

    Attributes:
        interval: How many values of the primary metric the trial had logged.
        reason: The comparison in plain words, e.g. `0.612 < 0.801 / 1.1 = 0.728 (best: trial 5)`.
    """

    interval: int
    reason: str

    @property
    def text(self) -> str:
        """The decision as messages show it."""
        return f"cut at interval {self.interval}: {self.reason}"


@dataclass(frozen=True)
class Comparison:
    """A trial and the trials that it is compared with, all at the same interval.

    Attributes:
        trial: The index of the trial that is judged.
        histories: Trial index -> its first `interval` values, for every trial that has reached
            the interval, including the judged one.
        bests: Trial index -> its best value up to this interval.
        leader: The index of the trial with the best value of all.
    """

    trial: int
    interval: int
    histories: _Histories
    bests: Mapping[int, float]
    goal: Goal
    leader: int

    def is_behind(self, bound: float, *terms: float) -> bool:
        """Whether the judged trial's best value is worse than a bound, apart from rounding errors.

        Floats are not exact decimals: 0.8 - 0.1 is slightly more than 0.7.

        Args:
            bound: The bound.
            terms: The numbers from which the bound was computed.
        """
        value = self.bests[self.trial]
        if not self.goal.is_better(bound, value):
            return False
        rounding = _ULPS * max(map(math.ulp, (value, bound, *terms)))
        return not math.isfinite(value) or abs(bound - value) > rounding

    def shown(self, *bounds: float) -> list[str]:
        """Return the texts of the judged trial's best value and of the bounds."""
        value = self.bests[self.trial]
        if math.isfinite(value):
            return readable(value, *bounds)
        # The trial has no finite value: the last value says more than an infinity would.
        last = self.histories[self.trial][-1]
        return [f"{last}, which is worse than any number,", *readable(*bounds)]

    @property
    def sign(self) -> str:
        """The sign between the judged value and a bound that it misses."""
        return "<" if self.goal is Goal.MAXIMIZE else ">"


@dataclass(frozen=True, kw_only=True)
class Policy(ABC):
    """A rule that ends trials which fall behind.

    Each value of the primary metric counts as one interval, whatever its step. A policy is applied
    at every multiple of `evaluation_interval` from `delay_evaluation` on. The default of
    `evaluation_interval` is 1 in the YAML reference and 0 in the SDK; here 0 means 1.
    """

    #: The policy's type in Azure ML's YAML.
    type: ClassVar[str]
    evaluation_interval: int = 1
    delay_evaluation: int = 0

    def applies_at(self, interval: int) -> bool:
        """Whether the policy is applied at an interval."""
        return interval % (self.evaluation_interval or 1) == 0 and interval >= self.delay_evaluation

    def decide(self, trial: int, interval: int, histories: _Histories, goal: Goal) -> Cut | None:
        """Decide whether to end a trial that has reached an interval.

        The trial is compared with all trials that have reached the interval, by their values up to
        it. Later values make no difference, and neither do trials that have not reached it. A
        trial that is the best one at the interval, or ties with it, is never cut.

        Args:
            trial: The index of the trial.
            interval: How many of its values count, from 1.
            histories: Trial index -> every value of the primary metric so far, of all trials.
            goal: The direction in which the metric is better.

        Returns:
            The decision to end the trial, or None if it continues.
        """
        if not self.applies_at(interval) or len(histories[trial]) < interval:
            return None
        peers = {
            index: values[:interval]
            for index, values in histories.items()
            if len(values) >= interval
        }
        bests = {index: goal.best_or_worst(values) for index, values in peers.items()}
        leader = min(bests, key=lambda index: goal.place(bests[index], index))
        if not goal.is_better(bests[leader], bests[trial]):
            return None
        reason = self.reason_to_cut(Comparison(trial, interval, peers, bests, goal, leader))
        return Cut(interval, reason) if reason else None

    @abstractmethod
    def reason_to_cut(self, comparison: Comparison) -> str | None:
        """Return why a trial that does not lead has to end; None if it continues."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield `(field, broken rule)`; the field is empty if the rule concerns several fields."""
        yield from ()

    def caution(self, value: float) -> str | None:
        """Return a warning if the policy does not suit a value of the primary metric."""
        return None


def readable(value: float, *bounds: float) -> list[str]:
    """Return numbers as text, with at least 3 digits and enough to distinguish the first one."""
    texts: list[str] = []
    for digits in range(3, 18):
        texts = [f"{number:.{digits}g}" for number in (value, *bounds)]
        if texts[0] not in texts[1:]:
            break
    return texts
