"""The keys of the config schema: their names, their types, and messages about the keys."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from omegaconf import DictConfig

from mnist_exp.config import ExperimentConfig

_PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def type_at(key: str) -> Any | None:
    """Return the type of a dotted key, or None if the schema does not have the key."""
    current: Any = ExperimentConfig
    for part in key.split("."):
        current = _below(current, part)
        if current is None:
            return None
    return current


def keys_at(key: str) -> list[str] | None:
    """Return the keys below a dotted key, or None if the schema allows any name below the key.

    If `key` is empty, the function returns the top-level keys.
    """
    kind = type_at(key) if key else ExperimentConfig
    if not (isinstance(kind, type) and is_dataclass(kind)):
        return None
    return [field.name for field in fields(kind)]


def unknown_keys(
    composed: DictConfig, kind: type = ExperimentConfig, at: str = ""
) -> Iterator[str]:
    """Yield the dotted keys that the schema does not have.

    An override with `+` can add such keys to a config.
    """
    known = get_type_hints(kind)
    for name in map(str, composed):
        key = f"{at}{name}"
        if name not in known:
            yield key
        elif is_dataclass(known[name]) and isinstance(known[name], type):
            yield from unknown_keys(composed[name], known[name], f"{key}.")


def explain_key(key: str) -> str:
    """Return the message for a key that does not exist. The message lists the existing keys."""
    parent, _, name = key.rpartition(".")
    known = keys_at(parent)
    if known is None:
        return f"{key}: no such key; add it with +{key}=..."
    where = parent or "the config"
    return f"{key}: no such key{similar(name, known)}; {where} has {listing(known)}"


def describe(kind: Any) -> str:
    """Return a description of the valid values for a type."""
    options = _options(kind)
    text = " or ".join(_describe_one(option) for option in options if option is not type(None))
    return f"{text} or null" if type(None) in options else text


def similar(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean x?)` for the known name most similar to `name`, or an empty text."""
    others = [other for other in known if other != name]
    matches = difflib.get_close_matches(name, others, n=1)
    return f" (did you mean {matches[0]}?)" if matches else ""


def listing(names: Iterable[str]) -> str:
    """Return names as text for a message, separated by commas."""
    return ", ".join(names)


def _below(kind: Any, name: str) -> Any | None:
    for option in _options(kind):
        if isinstance(option, type) and is_dataclass(option):
            return get_type_hints(option).get(name)
        if get_origin(option) is dict:
            return get_args(option)[1]
    return Any if kind is Any else None


def _options(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _describe_one(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"one of {listing(member.value for member in kind)}"
    if kind in _PLAIN:
        return _PLAIN[kind]
    return "a group of keys" if is_dataclass(kind) else "a mapping"
