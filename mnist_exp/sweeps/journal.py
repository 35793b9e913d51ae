"""The journal of a sweep: what happened, in order, one entry a line.

It is written as things happen and read when a sweep goes on. All that the tuner knows can be
rebuilt from it, and every decision be taken again (`decisions_of`): values stand in it in the
order in which the tuner met them.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol

from mnist_exp.sweeps.ranking import Objective
from mnist_exp.sweeps.sampling.algorithms import Parameters
from mnist_exp.sweeps.stopping.policy import Cut, Policy


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line; `at` is seconds since 1970, `event` the word that the line begins with."""

    event: ClassVar[str]
    at: float = 0.0


@dataclass(frozen=True)
class Created(Entry):
    """The sweep is made; `sweep` describes it, the seed that was drawn included."""

    event: ClassVar[str] = "created"
    sweep: Mapping[str, Any]


@dataclass(frozen=True)
class Resumed(Entry):
    """A command goes on with the sweep.

    Attributes:
        kept: Trials that go on where they stood, or that had ended unseen.
        again: Trials that begin again at the beginning; what they have logged does not count.
    """

    event: ClassVar[str] = "resumed"
    kept: tuple[int, ...] = ()
    again: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sampled(Entry):
    """The configuration of a trial has been drawn."""

    event: ClassVar[str] = "sampled"
    trial: int
    parameters: Parameters


@dataclass(frozen=True)
class Started(Entry):
    """A trial runs."""

    event: ClassVar[str] = "started"
    trial: int


@dataclass(frozen=True)
class Logged(Entry):
    """A trial has logged a value; `row` is where the store has it, and counts up."""

    event: ClassVar[str] = "logged"
    trial: int
    name: str
    value: float
    step: int = 0
    row: int = 0


@dataclass(frozen=True)
class Decided(Entry):
    """A trial is to end.

    Attributes:
        interval: Of an early termination; None when time was up.
        reason: In plain words.
    """

    event: ClassVar[str] = "decided"
    trial: int
    interval: int | None
    reason: str


@dataclass(frozen=True)
class Ended(Entry):
    """A trial has ended for good; `status` in Azure ML's words."""

    event: ClassVar[str] = "ended"
    trial: int
    status: str
    exit_code: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Interrupted(Entry):
    """A command has left the sweep before its end; running trials were canceled for now."""

    event: ClassVar[str] = "interrupted"
    why: str


@dataclass(frozen=True)
class Finished(Entry):
    """The sweep has ended for good."""

    event: ClassVar[str] = "finished"
    status: str
    best: int | None = None
    why: str = ""


class Journal(Protocol):
    """Where entries go."""

    def append(self, entry: Entry) -> None:
        """Keep an entry; when this returns it outlives the process."""


@dataclass(frozen=True)
class _NoJournal:
    def append(self, entry: Entry) -> None:
        """Keep nothing."""


NO_JOURNAL: Journal = _NoJournal()

_KINDS: Mapping[str, type[Entry]] = {
    kind.event: kind
    for kind in (
        Created,
        Resumed,
        Sampled,
        Started,
        Logged,
        Decided,
        Ended,
        Interrupted,
        Finished,
    )
}
#: What the fields of an entry are, where an entry has them.
_TYPES: Mapping[str, Any] = {
    "at": int | float,
    "trial": int,
    "value": int | float,
    "step": int,
    "row": int,
    "parameters": dict,
    "sweep": dict,
    "interval": int | None,
    "exit_code": int | None,
    "best": int | None,
    **dict.fromkeys(("name", "status", "reason", "why"), str),
}
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def to_line(entry: Entry) -> str:
    """Return an entry as a line of JSON; numbers that JSON has no word for are texts."""
    content = asdict(entry)
    if isinstance(entry, Logged) and not math.isfinite(entry.value):
        content["value"] = str(entry.value)
    return json.dumps({"event": entry.event, **content}, ensure_ascii=False) + "\n"


def read_entries(text: str) -> Iterator[Entry]:
    """Yield the entries of a journal; a line that a kill has left half-written is passed over.

    Raises:
        ValueError: A line that no kill can have left so is no entry.
    """
    broken = 0
    # Not by splitlines: texts may hold what Unicode takes for the end of a line.
    for number, line in enumerate(text.split("\n"), 1):
        entry = _entry(line)
        if entry is None:
            broken = broken or (number if line else 0)
            continue
        # The next command began after it: nothing else is written behind a half line.
        if broken and not isinstance(entry, Created | Resumed):
            raise ValueError(f"line {broken} is damaged")
        broken = 0
        yield entry


def _entry(line: str) -> Entry | None:
    try:
        content = json.loads(line)
        kind = _KINDS[content.pop("event")]
        if isinstance(content.get("value"), str):
            content["value"] = _NOT_FINITE[content["value"]]
        for name in ("kept", "again"):
            if name in content:
                content[name] = tuple(content[name])
        types = {name: _TYPES[name] for name in content if name in _TYPES}
        if not all(isinstance(content[name], like) for name, like in types.items()):
            return None
        return kind(**content)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


@dataclass
class _Judge:
    """Takes the decisions of a journal again."""

    policy: Policy
    objective: Objective
    values: dict[int, list[float]] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)
    is_leaving: bool = False
    found: list[tuple[int, Cut]] = field(default_factory=list)
    # Whether the last entry made the policy cut: the next one says whether anybody was there.
    is_fresh: bool = False

    def take(self, entry: Entry) -> None:
        """Take in an entry, and decide as the tuner has to."""
        if self.is_fresh and isinstance(entry, Resumed | Interrupted):
            self.withdraw()
        self.is_fresh = False
        if isinstance(entry, Sampled):
            self.values[entry.trial] = []
        elif isinstance(entry, Interrupted):
            self.is_leaving = True
        elif isinstance(entry, Resumed):
            self.is_leaving = False
            for trial in entry.again:
                self.values[trial] = []
        elif isinstance(entry, Ended | Decided):
            self.silent.add(entry.trial)
        elif isinstance(entry, Logged) and entry.name == self.objective.primary_metric:
            self._value(entry)

    def withdraw(self) -> None:
        """Take back a decision that the tuner was killed over."""
        trial, _ = self.found.pop()
        self.silent.discard(trial)

    def _value(self, entry: Logged) -> None:
        values = self.values[entry.trial]
        values.append(entry.value)
        if self.is_leaving or entry.trial in self.silent:
            return
        cut = self.policy.decide(entry.trial, len(values), self.values, self.objective.goal)
        if cut is not None:
            self.silent.add(entry.trial)
            self.found.append((entry.trial, cut))
            self.is_fresh = True


def decisions_of(
    entries: Iterable[Entry], policy: Policy, objective: Objective
) -> list[tuple[int, Cut]]:
    """Take every early termination again, from the values that the journal has.

    One that a kill fell before, so that nobody took it, is left out: the trial went on.

    Returns:
        Trial and cut, in the order in which they were decided.
    """
    judge = _Judge(policy, objective)
    for entry in entries:
        judge.take(entry)
    if judge.is_fresh:
        judge.withdraw()
    return judge.found
