"""The decisions of early termination, computed again from the entries of a journal."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mnist_exp.sweeps.journal import Decided, Ended, Entry, Interrupted, Logged, Resumed, Sampled
from mnist_exp.sweeps.ranking import Objective
from mnist_exp.sweeps.stopping.policy import Cut, Policy


@dataclass
class _Replay:
    """A computation of the tuner's decisions, entry by entry."""

    policy: Policy
    objective: Objective
    values: dict[int, list[float]] = field(default_factory=dict)
    decided: set[int] = field(default_factory=set)
    cuts: list[tuple[int, Cut]] = field(default_factory=list)
    # Whether the last entry led to a cut. If the next entry shows that the command was killed, the
    # cut is withdrawn.
    is_unconfirmed: bool = False

    def apply(self, entry: Entry) -> None:
        if self.is_unconfirmed and isinstance(entry, Resumed | Interrupted):
            self.withdraw()
        self.is_unconfirmed = False
        if isinstance(entry, Sampled):
            self.values[entry.trial] = []
        elif isinstance(entry, Resumed):
            for trial in entry.again:
                self.values[trial] = []
        elif isinstance(entry, Ended | Decided):
            self.decided.add(entry.trial)
        elif isinstance(entry, Logged) and entry.point.name == self.objective.primary_metric:
            self._decide(entry)

    def withdraw(self) -> None:
        """Remove the last cut, because the command was killed before it decided."""
        trial, _ = self.cuts.pop()
        self.decided.discard(trial)

    def _decide(self, entry: Logged) -> None:
        trial = entry.point.trial
        if trial in self.decided:
            return
        values = self.values[trial]
        values.append(entry.point.value)
        cut = self.policy.decide(trial, len(values), self.values, self.objective.goal)
        if cut is not None:
            self.decided.add(trial)
            self.cuts.append((trial, cut))
            self.is_unconfirmed = True


def decisions_of(
    entries: Iterable[Entry], policy: Policy, objective: Objective
) -> list[tuple[int, Cut]]:
    """Return trial and cut of each early termination that follows from a journal's values."""
    replay = _Replay(policy, objective)
    for entry in entries:
        replay.apply(entry)
    if replay.is_unconfirmed:
        replay.withdraw()
    return replay.cuts
