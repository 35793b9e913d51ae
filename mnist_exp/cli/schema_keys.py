"""The keys of the config schema: their names, their types, and messages about the keys."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
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


def choices_at(key: str) -> list[str]:
    """Return the valid values of a dotted key; an empty list if the schema does not list them."""
    found = []
    for kind in _options(type_at(key)):
        if isinstance(kind, type) and issubclass(kind, Enum):
            found += [member.value for member in kind]
        elif kind is bool:
            found += ["true", "false"]
    return found


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


def explain_key(key: str, present: Sequence[str] = ()) -> str:
    """Return the message for a key that does not exist. The message lists the existing keys.

    Args:
        key: The dotted key.
        present: The names in the mapping that should contain the key. They are used if the schema
            allows any name in the mapping.
    """
    parent, _, name = key.rpartition(".")
    known = keys_at(parent)
    if known is None:
        return f"{key}: no such key{similar(name, present)}; add it with +{key}=..."
    keys = meant_keys(key)
    if len(keys) > 1:
        return f"{key}: no such key; write one of {listing(keys)}"
    meant_parent, _, meant = keys[0].rpartition(".") if keys else (parent, "", "")
    if meant_parent != parent:
        return f"{key}: no such key (did you mean {keys[0]}?)"
    hint = f" (did you mean {meant}?)" if meant else ""
    return f"{key}: no such key{hint}; {parent or 'the config'} has {listing(known)}"


def meant_keys(key: str) -> list[str]:
    """Return the existing keys that a user may mean by a key that does not exist.

    A user may omit the names before the last name (`epochs` for `model.epochs`), abbreviate the
    last name (`lr` for `learning_rate`), or misspell the last name.
    """
    parent, _, name = key.rpartition(".")
    paths = [f"{parent}.{one}".lstrip(".") for one in keys_at(parent) or ()]
    everywhere = list(_paths(ExperimentConfig))
    return (
        _ending(everywhere, name)
        or _ending(paths, name, _initials)
        or _nearest(paths, name)
        or _ending(everywhere, name, _initials)
        or _nearest(everywhere, name)
    )


def _ending(paths: Iterable[str], name: str, spelling: Callable[[str], str] = str) -> list[str]:
    """Return the paths whose last name has the given spelling."""
    return [path for path in paths if spelling(path.rpartition(".")[2]) == name]


def _nearest(paths: Sequence[str], name: str) -> list[str]:
    """Return the paths with the last name that is most similar to a name."""
    near = closest(name, [path.rpartition(".")[2] for path in paths])
    return _ending(paths, near) if near else []


def _paths(kind: type, at: str = "") -> Iterator[str]:
    """Yield the dotted keys below a class of the schema."""
    for name, below in get_type_hints(kind).items():
        if isinstance(below, type) and is_dataclass(below):
            yield from _paths(below, f"{at}{name}.")
        else:
            yield f"{at}{name}"


def _initials(name: str) -> str:
    """Return the initials of a name with several words: `lr` for `learning_rate`."""
    words = name.split("_")
    return "".join(word[:1] for word in words) if len(words) > 1 else name


def describe(kind: Any) -> str:
    """Return a description of the valid values for a type."""
    options = _options(kind)
    text = " or ".join(_describe_one(option) for option in options if option is not type(None))
    return f"{text} or null" if type(None) in options else text


def similar(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean x?)` for the known name most similar to `name`, or an empty text."""
    found = closest(name, [other for other in known if other != name])
    return f" (did you mean {found}?)" if found else ""


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most similar to `name`; None if no name is similar."""
    matches = difflib.get_close_matches(name, known, n=1)
    return matches[0] if matches else None


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
