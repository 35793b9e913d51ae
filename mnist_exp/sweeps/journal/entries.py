"""The entries of a sweep's journal, and their conversion to and from lines of JSON."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Protocol

from mnist_exp.metrics import MetricPoint
from mnist_exp.sweeps.sampling.algorithms import Parameters
from mnist_exp.sweeps.stopping.policy import Cut

#: File name of a journal, in the folder of its sweep.
JOURNAL_NAME = "journal.jsonl"


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
    """The entry for the creation of the sweep.

    Attributes:
        sweep: The description of the sweep, with the seed that was drawn.
    """

    event: ClassVar[str] = "created"
    sweep: Mapping[str, Any]


@dataclass(frozen=True)
class Resumed(Entry):
    """The entry for the start of a command that resumes the sweep.

    Attributes:
        kept: Indices of the trials that keep their values. Each of these trials either resumes from
            its named outputs, or ended while no command was running.
        again: Indices of the trials that restart and lose their values.
    """

    event: ClassVar[str] = "resumed"
    kept: tuple[int, ...] = ()
    again: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sampled(Entry):
    """The entry for a newly drawn configuration of a trial."""

    event: ClassVar[str] = "sampled"
    trial: int
    parameters: Parameters


@dataclass(frozen=True)
class Started(Entry):
    """The entry for the start of a trial."""

    event: ClassVar[str] = "started"
    trial: int


@dataclass(frozen=True)
class Logged(Entry):
    """The entry for a value that a trial logged."""

    event: ClassVar[str] = "logged"
    point: MetricPoint


@dataclass(frozen=True)
class Decided(Entry):
    """The entry for the sweep's decision to end a trial.

    Attributes:
        interval: The interval at which a policy cut the trial. None if the decision has another
            reason, e.g. a timeout.
        reason: The reason in plain words.
    """

    event: ClassVar[str] = "decided"
    trial: int
    interval: int | None
    reason: str

    @property
    def text(self) -> str:
        """The text of the decision in logs."""
        return self.reason if self.interval is None else Cut(self.interval, self.reason).text


@dataclass(frozen=True)
class Ended(Entry):
    """The entry for the final end of a trial. The trial cannot resume.

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
    """The entry for a command that stopped before the end of the sweep.

    The command canceled the running trials. A later command can resume these trials.
    """

    event: ClassVar[str] = "interrupted"
    why: str


@dataclass(frozen=True)
class Finished(Entry):
    """The entry for the final end of the sweep. The sweep cannot resume."""

    event: ClassVar[str] = "finished"
    status: str
    best: int | None = None
    why: str = ""


class Journal(Protocol):
    """The store to which the tuner writes entries."""

    def append(self, entry: Entry) -> None:
        """Write an entry. After this method returns, a killed process does not lose the entry."""


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
#: Kind of entry -> fields of its line. A line must have all fields. If the defaults of the
#: dataclasses replaced missing fields, a value in a damaged line without the field `trial` would
#: count for trial 0.
_FIELDS: Mapping[type[Entry], frozenset[str]] = {
    kind: frozenset(field.name for holder in holders for field in fields(holder)) - {"point"}
    for kind in _KINDS.values()
    for holders in [(kind, MetricPoint) if kind is Logged else (kind,)]
}
#: Field of a line -> required type.
_TYPES: Mapping[str, Any] = {
    "at": int | float,
    "trial": int,
    "value": int | float,
    "step": int,
    "row": int,
    "parameters": dict,
    "sweep": dict,
    "kept": list,
    "again": list,
    "interval": int | None,
    "exit_code": int | None,
    "best": int | None,
    **dict.fromkeys(("name", "status", "reason", "why"), str),
}
#: Text in the journal -> number. JSON has no NaN and no infinities, so the journal contains text
#: for these numbers.
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
        ValueError: A line is damaged. A killed command may have left an incomplete line, also
            before the entries of the next command. Such a line raises no error.
    """
    broken = 0
    # Do not use splitlines(), which would also split at Unicode line separators inside a field.
    for number, line in enumerate(text.split("\n"), 1):
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            broken = broken or (number if line else 0)
            continue
        # An incomplete line is never valid JSON. A line of valid JSON must therefore be an entry.
        try:
            entry = _entry(content)
        except ValueError as error:
            raise ValueError(f"line {number} is damaged: {error}") from error
        # Only a killed command leaves an incomplete line. The next command then begins with
        # Created or Resumed. If another entry follows, the unreadable line is damaged.
        if broken and not isinstance(entry, Created | Resumed):
            raise ValueError(f"line {broken} is damaged: it must be valid JSON")
        broken = 0
        yield entry


def _entry(content: Any) -> Entry:
    """Return the entry that the JSON of a line describes.

    Raises:
        ValueError: The event is unknown, or the fields or their types differ from the fields that
            `to_line` writes.
    """
    event = content.pop("event", None) if isinstance(content, dict) else None
    kind = _KINDS.get(str(event))
    if kind is None:
        raise ValueError(f"event must be one of {', '.join(_KINDS)}, got {event!r}")
    for name in sorted(_FIELDS[kind] ^ content.keys()):
        rule = "must have" if name in _FIELDS[kind] else "must not have"
        raise ValueError(f"an entry {event} {rule} the field {name}")
    if isinstance(content.get("value"), str):
        content["value"] = _NOT_FINITE.get(content["value"])
    for name, value in content.items():
        if not isinstance(value, _TYPES[name]):
            raise ValueError(f"the field {name} has the wrong type, got {value!r}")
    for name in ("kept", "again"):
        if name in content:
            content[name] = tuple(content[name])
    if kind is Logged:
        return Logged(at=content.pop("at"), point=MetricPoint(**content))
    return kind(**content)
