"""What every early-termination policy has in common.

https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters#early-termination
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from mnist_exp.sweeps.ranking import Goal

#: Units in the last place by which the rounding of a few terms can move a result.
_ULPS = 4

_Histories = Mapping[int, Sequence[float]]


@dataclass(frozen=True)
class Cut:
    """A policy's decision to end a trial.

    Attributes:
        interval: How many times the trial had logged the primary metric.
        reason: The comparison in plain words: `0.612 < 0.801 / 1.1 = 0.728 (best: trial 5)`.
    """

    interval: int
    reason: str

    @property
    def text(self) -> str:
        """The decision as messages show it."""
        return f"cut at interval {self.interval}: {self.reason}"


@dataclass(frozen=True)
class Comparison:
    """A trial and those it is compared with, all at the same interval.

    Attributes:
        trial: The index of the trial that is judged.
        histories: Trial index -> its first `interval` values, for every trial that has so many;
            the judged one among them.
        bests: Trial index -> its best value up to this interval.
        leader: The index of the trial with the best value among them.
    """

    trial: int
    interval: int
    histories: _Histories
    bests: Mapping[int, float]
    goal: Goal
    leader: int

    def is_behind(self, bound: float, *terms: float) -> bool:
        """Whether the judged trial's best is worse than a bound, by more than rounding explains.

        Decimal numbers are no floats: 0.8 - 0.1 is a little more than 0.7.

        Args:
            bound: What the best is compared with.
            terms: What the bound was computed from.
        """
        value = self.bests[self.trial]
        if not self.goal.is_better(bound, value):
            return False
        rounding = _ULPS * max(map(math.ulp, (value, bound, *terms)))
        return not math.isfinite(value) or abs(bound - value) > rounding

    def shown(self, *bounds: float) -> list[str]:
        """Format the judged trial's best and what it is compared with."""
        value = self.bests[self.trial]
        if math.isfinite(value):
            return readable(value, *bounds)
        # It never logged a number: what it did log says more than the number worse than any.
        last = self.histories[self.trial][-1]
        return [f"{last}, which is worse than any number,", *readable(*bounds)]

    @property
    def sign(self) -> str:
        """How the judged value stands to a bound that it misses."""
        return "<" if self.goal is Goal.MAXIMIZE else ">"


@dataclass(frozen=True, kw_only=True)
class Policy(ABC):
    """Ends trials that fall behind.

    An interval is one logging of the primary metric, whatever its step. A policy is applied at
    the multiples of `evaluation_interval` that are at least `delay_evaluation`. The YAML reference
    and the SDK disagree on the default of `evaluation_interval`, 1 and 0: 0 means 1 here.
    """

    #: Azure ML's word for it in YAML.
    type: ClassVar[str]
    evaluation_interval: int = 1
    delay_evaluation: int = 0

    def applies_at(self, interval: int) -> bool:
        """Whether the policy looks at a trial at this interval."""
        return interval % (self.evaluation_interval or 1) == 0 and interval >= self.delay_evaluation

    def decide(self, trial: int, interval: int, histories: _Histories, goal: Goal) -> Cut | None:
        """Decide whether a trial that has reached an interval is to end.

        The trial is compared with those that have reached the interval already, each as it stood
        then: what they logged later, and trials that are still behind, make no difference. The
        best one at the interval, a tie included, is never cut.

        Args:
            trial: The index of the trial.
            interval: How many of its values count, from 1.
            histories: Trial index -> every value of the primary metric so far, of all trials.
            goal: Which way is better.

        Returns:
            Why the trial is to end, or None when it goes on.
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
        """Compare a trial that does not lead with its peers; None lets it go on."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield `(field, broken rule)`; the field is empty when several are at odds."""
        yield from ()

    def caution(self, value: float) -> str | None:
        """Say why a value of the primary metric does not suit this policy, or None."""
        return None


def readable(value: float, *bounds: float) -> list[str]:
    """Format numbers with as few digits (3 at least) as tell the first from the others."""
    texts: list[str] = []
    for digits in range(3, 18):
        texts = [f"{number:.{digits}g}" for number in (value, *bounds)]
        if texts[0] not in texts[1:]:
            break
    return texts
