"""The entries of a sweep's journal, and their conversion to and from lines of JSON."""

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
        event: The name of the entry's kind, in the `event` field of the line.
        at: Time of the entry, in seconds since 1970.
    """

    event: ClassVar[str]
    at: float = 0.0


@dataclass(frozen=True)
class Created(Entry):
    """The entry that the sweep was created.

    Attributes:
        sweep: The description of the sweep, with the seed that was drawn.
    """

    event: ClassVar[str] = "created"
    sweep: Mapping[str, Any]


@dataclass(frozen=True)
class Resumed(Entry):
    """The entry that a later command resumed the sweep.

    Attributes:
        kept: Trials that resume from their named outputs, or that ended while no command ran.
        again: Trials that restart. The values that these trials logged so far do not count.
    """

    event: ClassVar[str] = "resumed"
    kept: tuple[int, ...] = ()
    again: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sampled(Entry):
    """The entry that the configuration of a trial was drawn."""

    event: ClassVar[str] = "sampled"
    trial: int
    parameters: Parameters


@dataclass(frozen=True)
class Started(Entry):
    """The entry that a trial was started."""

    event: ClassVar[str] = "started"
    trial: int


@dataclass(frozen=True)
class Logged(Entry):
    """The entry that a trial logged a value."""

    event: ClassVar[str] = "logged"
    point: MetricPoint


@dataclass(frozen=True)
class Decided(Entry):
    """The entry that the sweep decided to end a trial.

    Attributes:
        interval: The interval at which a policy cut the trial. None if no policy cut the trial, but
            e.g. a timeout ended the trial.
        reason: The reason in plain words.
    """

    event: ClassVar[str] = "decided"
    trial: int
    interval: int | None
    reason: str


@dataclass(frozen=True)
class Ended(Entry):
    """The entry that a trial ended and will not resume.

    Attributes:
        status: The final status, by Azure ML's name.
    """

    event: ClassVar[str] = "ended"
    trial: int
    status: str
    exit_code: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Interrupted(Entry):
    """The entry that the command stopped before the sweep had ended.

    The command canceled the running trials, and a later command can resume these trials.
    """

    event: ClassVar[str] = "interrupted"
    why: str


@dataclass(frozen=True)
class Finished(Entry):
    """The entry that the sweep ended and cannot resume."""

    event: ClassVar[str] = "finished"
    status: str
    best: int | None = None
    why: str = ""


class Journal(Protocol):
    """The store to which the tuner writes entries."""

    def append(self, entry: Entry) -> None:
        """Write an entry. When this method returns, a kill of the process cannot lose the entry."""


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
#: Field of a line -> required type of the field, if the line has the field.
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
#: Text of a number -> number. JSON has no NaN and no infinities, so they are written as text.
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
    """Yield the entries of a journal; skip an incomplete line that a killed command wrote.

    Raises:
        ValueError: A line is not an entry, and is not the last line of a killed command.
    """
    broken = 0
    # splitlines would also split at other Unicode line separators, which a field may contain.
    for number, line in enumerate(text.split("\n"), 1):
        entry = _parsed(line)
        if entry is None:
            broken = broken or (number if line else 0)
            continue
        # After the incomplete line of a killed command, the next entry is from the next command.
        if broken and not isinstance(entry, Created | Resumed):
            raise ValueError(f"line {broken} is damaged")
        broken = 0
        yield entry


def _parsed(line: str) -> Entry | None:
    """Return the entry of a line; None if the line is not an entry."""
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
