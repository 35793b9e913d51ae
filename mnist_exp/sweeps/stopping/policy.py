"""The base class of all early-termination policies, and the data that a policy compares.

To cut a trial means to end the trial early, because its values are bad. Azure ML calls each logged
value of the primary metric an interval: a trial that has logged three values is at interval 3.

https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters#early-termination
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from mnist_exp.sweeps.ranking import Goal

#: Maximum rounding error of a few float operations, in ULPs (units in the last place of a float).
_ULPS = 4

_Histories = Mapping[int, Sequence[float]]


@dataclass(frozen=True)
class Cut:
    """A policy's decision to end a trial.

    Attributes:
        interval: Number of values of the primary metric that the trial had logged at the decision.
        reason: The comparison in plain words, e.g. `0.612 < 0.801 / 1.1 = 0.728 (best: trial 5)`.
    """

    interval: int
    reason: str

    @property
    def text(self) -> str:
        """The text of the decision in messages."""
        return f"cut at interval {self.interval}: {self.reason}"


@dataclass(frozen=True)
class Comparison:
    """A trial and the trials for comparison, all at the same interval.

    Attributes:
        trial: The index of the judged trial.
        interval: The number of values that are compared for each trial.
        histories: Trial index -> the first `interval` values of the trial. Trials with fewer values
            are left out. The judged trial is included.
        bests: Trial index -> the best of the trial's values in `histories`.
        leader: The index of the trial with the best value.
    """

    trial: int
    interval: int
    histories: _Histories
    bests: Mapping[int, float]
    goal: Goal
    leader: int

    def is_behind(self, bound: float, *terms: float) -> bool:
        """Return whether the judged trial's best value is worse than a bound.

        A difference that may be a rounding error does not count. For example, the float 0.8 - 0.1
        is slightly larger than 0.7.

        Args:
            bound: The bound for the best value.
            terms: The numbers from which the bound was computed.
        """
        value = self.bests[self.trial]
        if not self.goal.is_better(bound, value):
            return False
        rounding = _ULPS * max(map(math.ulp, (value, bound, *terms)))
        return not math.isfinite(value) or abs(bound - value) > rounding

    def shown(self, *bounds: float) -> list[str]:
        """Return texts for a message: the judged trial's best value, then each bound."""
        value = self.bests[self.trial]
        if math.isfinite(value):
            return readable(value, *bounds)
        # The trial has no finite value. Show the last value (e.g. nan), not `Goal.worst`.
        last = self.histories[self.trial][-1]
        return [f"{last}, which is worse than any number,", *readable(*bounds)]

    @property
    def sign(self) -> str:
        """The comparison operator for messages such as `0.6 < 0.7`, where 0.7 is the bound.

        The value is worse than the bound. The operator is therefore `<` if the metric is maximized,
        else `>`.
        """
        return "<" if self.goal is Goal.MAXIMIZE else ">"


@dataclass(frozen=True, kw_only=True)
class Policy(ABC):
    """A rule that cuts trials with bad values.

    Each value of the primary metric counts as one interval. The `step` with which a script logs the
    value makes no difference. A policy is applied at every multiple of `evaluation_interval`, but
    not before interval `delay_evaluation`. The default of `evaluation_interval` is 1 in the YAML
    reference and 0 in the SDK. Here 0 has the same effect as 1.
    """

    #: The policy's type in Azure ML's YAML.
    type: ClassVar[str]
    #: Whether the policy never cuts the trial with the best value so far.
    spares_leader: ClassVar[bool] = True
    evaluation_interval: int = 1
    delay_evaluation: int = 0

    def applies_at(self, interval: int) -> bool:
        """Return whether the policy is applied at an interval."""
        return interval % (self.evaluation_interval or 1) == 0 and interval >= self.delay_evaluation

    def decide(self, trial: int, interval: int, histories: _Histories, goal: Goal) -> Cut | None:
        """Decide whether to cut a trial at an interval.

        The trial is compared with all trials that have reached the interval. Values after the
        interval are ignored. If `spares_leader` is true, a trial is not cut if its best value
        equals the best value of all these trials.

        Args:
            trial: The index of the trial.
            interval: The number of values that are compared, at least 1.
            histories: Trial index -> every value of the primary metric so far, for all trials.
            goal: Whether large or small values of the metric are better.

        Returns:
            The decision to end the trial, or None if the trial continues.
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
        if self.spares_leader and not goal.is_better(bests[leader], bests[trial]):
            return None
        reason = self.reason_to_cut(Comparison(trial, interval, peers, bests, goal, leader))
        return Cut(interval, reason) if reason else None

    @abstractmethod
    def reason_to_cut(self, comparison: Comparison) -> str | None:
        """Return the reason to cut a trial; None if the trial continues.

        If `spares_leader` is true, this method is not called for the leader.
        """

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield `(field, broken rule)`. The field is empty if the rule is about several fields."""
        yield from ()

    def caution(self, value: float) -> str | None:
        """Return a warning if the policy does not work well for this metric, else None.

        Args:
            value: A logged value of the primary metric, e.g. a negative number.
        """
        return None


def readable(value: float, *bounds: float) -> list[str]:
    """Return numbers as text.

    Each text has up to 3 digits. If the text of `value` would equal the text of a bound, all texts
    have more digits.
    """
    texts: list[str] = []
    for digits in range(3, 18):
        texts = [f"{number:.{digits}g}" for number in (value, *bounds)]
        if texts[0] not in texts[1:]:
            break
    return texts
