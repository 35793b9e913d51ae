"""The entries of a sweep's journal, and how an entry is written as a line of JSON."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

from mnist_exp.metrics import MetricPoint
from mnist_exp.sweeps.sampling.algorithms import Parameters


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of the journal.

    Attributes:
        event: The word by which the line names its kind.
        at: Seconds since 1970.
    """

    event: ClassVar[str]
    at: float = 0.0


@dataclass(frozen=True)
class Created(Entry):
    """The sweep was created; `sweep` is its description, with the seed that was drawn."""

    event: ClassVar[str] = "created"
    sweep: Mapping[str, Any]


@dataclass(frozen=True)
class Resumed(Entry):
    """A later command resumed the sweep.

    Attributes:
        kept: Trials that resume from their own outputs, or that ended while no command ran.
        again: Trials that restart; the values that they logged so far do not count.
    """

    event: ClassVar[str] = "resumed"
    kept: tuple[int, ...] = ()
    again: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sampled(Entry):
    """The configuration of a trial was drawn."""

    event: ClassVar[str] = "sampled"
    trial: int
    parameters: Parameters


@dataclass(frozen=True)
class Started(Entry):
    """A trial was started."""

    event: ClassVar[str] = "started"
    trial: int


@dataclass(frozen=True)
class Logged(Entry):
    """A trial logged a value."""

    event: ClassVar[str] = "logged"
    point: MetricPoint


@dataclass(frozen=True)
class Decided(Entry):
    """The sweep decided to end a trial.

    Attributes:
        interval: The interval of an early termination; None for a timeout.
        reason: The reason in plain words.
    """

    event: ClassVar[str] = "decided"
    trial: int
    interval: int | None
    reason: str


@dataclass(frozen=True)
class Ended(Entry):
    """A trial ended for good; `status` is Azure ML's word."""

    event: ClassVar[str] = "ended"
    trial: int
    status: str
    exit_code: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Interrupted(Entry):
    """The command left the sweep unfinished; its running trials were canceled and can resume."""

    event: ClassVar[str] = "interrupted"
    why: str


@dataclass(frozen=True)
class Finished(Entry):
    """The sweep ended for good."""

    event: ClassVar[str] = "finished"
    status: str
    best: int | None = None
    why: str = ""


class Journal(Protocol):
    """The place where the tuner writes entries."""

    def append(self, entry: Entry) -> None:
        """Write an entry; after the return it survives the end of the process."""


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
#: Field of a line -> its type, where a line has that field.
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
#: JSON has no such numbers, so they are written as text.
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def to_line(entry: Entry) -> str:
    """Return an entry as a line of JSON."""
    content = asdict(entry)
    if isinstance(entry, Logged):
        content |= content.pop("point")
        if not math.isfinite(entry.point.value):
            content["value"] = str(entry.point.value)
    return json.dumps({"event": entry.event, **content}, ensure_ascii=False) + "\n"


def read_entries(text: str) -> Iterator[Entry]:
    """Yield the entries of a journal; skip a line that a kill cut short.

    Raises:
        ValueError: A line is no entry, and no kill can have cut it short.
    """
    broken = 0
    # Not splitlines: the text of a field may hold other characters that end a line in Unicode.
    for number, line in enumerate(text.split("\n"), 1):
        entry = _parsed(line)
        if entry is None:
            broken = broken or (number if line else 0)
            continue
        # After a kill, the next command's first entry follows the line that was cut short.
        if broken and not isinstance(entry, Created | Resumed):
            raise ValueError(f"line {broken} is damaged")
        broken = 0
        yield entry


def _parsed(line: str) -> Entry | None:
    """Return the entry of a line; None when the line is no entry."""
    try:
        content = json.loads(line)
        kind = _KINDS[content.pop("event")]
        if isinstance(content.get("value"), str):
            content["value"] = _NOT_FINITE[content["value"]]
        types = {name: _TYPES[name] for name in content if name in _TYPES}
        if not all(isinstance(content[name], like) for name, like in types.items()):
            return None
        for name in ("kept", "again"):
            if name in content:
                content[name] = tuple(content[name])
        if kind is Logged:
            return Logged(at=content.pop("at", 0.0), point=MetricPoint(**content))
        return kind(**content)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
