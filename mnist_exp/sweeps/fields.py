"""Read a mapping of the config field by field, and collect all its faults."""

import difflib
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

E = TypeVar("E", bound=Enum)

#: Maximum number of characters of a quoted value, so that a message fits on one line.
_LONGEST = 60
#: Minimum number of letters of a name that counts as an abbreviation of a longer name.
_SHORTEST = 3
#: Minimum similarity, from 0 to 1, at which a name counts as a typing error for a known name.
_SLIP = 0.85


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` with the most similar known name; empty if none is similar."""
    # Compare names in lower case, because difflib treats `A` and `a` as different letters.
    spelt = {candidate.lower(): candidate for candidate in known}
    # difflib does not recognize abbreviations.
    near = [candidate for candidate in spelt if _abbreviates(name.lower(), candidate)]
    if not near or name.lower() in spelt:
        near = difflib.get_close_matches(name.lower(), spelt, n=1) or near
    return f"; did you mean {spelt[near[0]]!r}?" if near else ""


def _abbreviates(one: str, other: str) -> bool:
    """Return whether the shorter name abbreviates the longer name.

    An abbreviation is the start of the longer name (`acc` for `accuracy`), or consists of the start
    of each word (`val_acc` for `val_accuracy`).
    """
    pairs = list(zip(one.split("_"), other.split("_"), strict=False))
    return _is_start(one, other) or (
        one.count("_") == other.count("_") and all(_is_start(*pair) for pair in pairs)
    )


def _is_start(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return len(shorter) >= _SHORTEST and longer.startswith(shorter)


def shown(value: object) -> str:
    """Return the text of a value for a message: null, or the repr, shortened if it is long."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


class Fields:
    """A mapping of the config, read field by field.

    A field that is None counts as missing, like `null` in Azure ML's YAML. Each method that reads
    a field returns None if the field is missing or has a fault.

    Args:
        raw: The mapping, as Hydra composed it.
        where: The config key of the mapping, e.g. `sweep.limits`.
    """

    def __init__(self, raw: Mapping[str, Any], where: str) -> None:
        self.raw = {str(key): value for key, value in raw.items() if value is not None}
        self.where = where
        self.faults: list[str] = []

    def fault(self, name: str, text: str) -> None:
        """Add a fault of one field, or of the whole mapping if `name` is empty."""
        self.faults.append(f"{self.where}.{name}: {text}" if name else f"{self.where}: {text}")

    def required(self, names: Iterable[str], kind: str) -> None:
        """Add a fault for each field that is missing."""
        for name in names:
            if name not in self.raw:
                self.fault(name, f"{kind} needs this key; add ++{self.where}.{name}=...")

    def only(self, known: Sequence[str], kind: str) -> None:
        """Add a fault for each field that is not in `known`.

        Hydra merges mappings. If the user changes the type of a mapping, the mapping therefore
        still has the fields of the old type. The message shows the override that removes a field.

        Args:
            known: The fields that are allowed.
            kind: The name of the mapping's kind in the message, e.g. `a sweep`.
        """
        for name in self.raw:
            if name not in known:
                rule = f"the keys of {kind} are {', '.join(known)}"
                remedy = f"remove this key with ~{self.where}.{name}"
                # Suggest a known field that the mapping already has only if the unknown name is
                # almost equal to this field.
                slips = difflib.get_close_matches(name, known, n=1, cutoff=_SLIP)
                near = did_you_mean(name, slips or set(known) - set(self.raw))
                self.fault(name, f"{rule}, got {name}={shown(self.raw[name])}; {remedy}{near}")

    def number(self, name: str) -> float | None:
        """Return the value of a field that must be a finite number."""
        value = self.raw.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(name, f"must be a number, got {shown(value)}")
            return None
        if not _is_finite(value):
            self.fault(name, f"must be a finite number, got {shown(value)}")
            return None
        return float(value)

    def positive(self, name: str) -> float | None:
        """Return the value of a field that must be a finite number above 0."""
        value = self.number(name)
        if value is not None and value <= 0:
            self.fault(name, f"must be above 0, got {shown(self.raw[name])}")
            return None
        return value

    def integer(self, name: str, low: int, high: int | None = None) -> int | None:
        """Return the value of a field that must be a whole number from `low` to `high`."""
        value = self.raw.get(name)
        if value is None:
            return None
        rule = f"at least {low}" if high is None else f"from {low} to {high}"
        # Accept 2.0 as a whole number too: Hydra or a shell may have changed 2 to 2.0.
        whole = isinstance(value, int | float) and _is_finite(value) and value == int(value)
        if isinstance(value, bool) or not whole or value < low or (high or value) < value:
            self.fault(name, f"must be a whole number, {rule}, got {shown(value)}")
            return None
        return int(value)

    def member(self, name: str, kinds: type[E]) -> E | None:
        """Return the enum member that a field names. Upper and lower case make no difference.

        Args:
            name: The field.
            kinds: The enum, whose values are strings in lower case.
        """
        value = self.raw.get(name)
        if value is None:
            return None
        words = [str(kind.value) for kind in kinds]
        text = str(value.value if isinstance(value, Enum) else value)
        if text.lower() in words:
            return kinds(text.lower())
        listed = ", ".join(words)
        self.fault(name, f"must be one of {listed}, got {shown(text)}{did_you_mean(text, words)}")
        return None


def _is_finite(value: float) -> bool:
    # math.isfinite raises for an integer that is too large for a float.
    return abs(value) <= sys.float_info.max
