"""Keyword values of the Python API, such as `epochs=5`, as overrides."""

import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from os import PathLike, fspath
from typing import Any

from mnist_exp.cli.schema_keys import keys_at, listing, meant_keys, similar
from mnist_exp.errors import ConfigError
from mnist_exp.templates import NOT_TEXT, hydra_string, hydra_text

#: The characters that Hydra's grammar allows in a key of a mapping.
_MAPPING_KEY = re.compile(r"[\w/\-\\+.$%*@?|()\[\]{}:=, \t]+", re.ASCII)
#: The characters of such a key that need a backslash.
_ESCAPED = re.compile(r"[\\()\[\]{}:=, \t]")


def is_complete(values: Mapping[str, object]) -> bool:
    """Return whether each name is a dotted key, a key at the top level, or a config group."""
    return all("." in name or name in _top_level() for name in values)


def keyword_overrides(
    values: Mapping[str, object], plain_keys: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the overrides that set keys to keyword values, and a line for each fault.

    Args:
        values: Full key, or last part of a key -> value.
        plain_keys: The dotted keys whose value is plain.
    """
    overrides, faults = list[str](), list[str]()
    for name, value in values.items():
        try:
            overrides.append(override_text(_full_key(name, value, plain_keys), value))
        except ConfigError as error:
            faults += error.lines
    return overrides, faults


def _full_key(name: str, value: object, plain_keys: Sequence[str]) -> str:
    """Return the key with this name.

    Raises:
        ConfigError: The name is the last part of no key, or of several keys.
    """
    top = _top_level()
    if "." in name or name in top:
        return name
    keys = [key for key in plain_keys if key.rpartition(".")[2] == name]
    if len(keys) == 1:
        return keys[0]
    if keys:
        fault = (
            f"{name}: must be the name of one key, but is the name of {listing(keys)}; write "
            f'the whole key as text, e.g. "{override_text(keys[0], value)}"'
        )
        raise ConfigError([fault])
    known = [*top, *(key.rpartition(".")[2] for key in plain_keys)]
    fault = (
        f"{name}: no such key{similar(name, known) or _meant(name)}; to add a key, write the whole "
        f'key as text, e.g. "+job.inputs.{override_text(name, value)}"'
    )
    raise ConfigError([fault])


def _meant(name: str) -> str:
    """Return ` (did you mean learning_rate?)` for `lr`, or an empty text."""
    names = dict.fromkeys(key.rpartition(".")[2] for key in meant_keys(name))
    return f" (did you mean {' or '.join(names)}?)" if names else ""


def override_text(key: str, value: object) -> str:
    """Return the override that sets a key to a value of Python or NumPy.

    Raises:
        ConfigError: The value has another type.
    """
    return f"{key}={_text(key, value)}"


def _text(key: str, value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    elif hasattr(value, "tolist"):
        # The value comes from NumPy or pandas.
        value = value.tolist()
    match value:
        case None | bool() | int() | float():
            return json.dumps(value) if isinstance(value, bool | None) else str(value)
        case str():
            return hydra_string(value)
        case PathLike():
            return hydra_text(str(fspath(value)))
        case Mapping():
            parts = [f"{_key_text(key, name)}:{_text(key, part)}" for name, part in value.items()]
            return f"{{{','.join(parts)}}}"
        case list() | tuple():
            return f"[{','.join(_text(key, part) for part in value)}]"
    raise ConfigError(
        [
            f"{key}: must be a number, a text, true or false, null, a list or a mapping, got "
            f"{value!r} of type {type(value).__name__}"
        ]
    )


def _key_text(key: str, name: object) -> str:
    """Return the name of an entry of a mapping, as Hydra reads it."""
    text = str(name)
    is_text = isinstance(name, str) and not NOT_TEXT.fullmatch(text)
    if (is_text or type(name) is int) and _MAPPING_KEY.fullmatch(text):
        return _ESCAPED.sub(r"\\\g<0>", text)
    raise ConfigError(
        [
            f"{key}: Hydra does not read {name!r} as the name of an entry; use ASCII letters and "
            "digits, and at least one letter, or set the entry in a YAML file"
        ]
    )


def _top_level() -> list[str]:
    return [*(keys_at("") or ()), "profile"]
