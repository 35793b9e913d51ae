"""Keyword values of the Python API, such as `epochs=5`, as overrides."""

import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from os import PathLike, fspath
from typing import Any

from mnist_exp.cli.schema_keys import keys_at, listing, meant_keys, similar
from mnist_exp.errors import ConfigError
from mnist_exp.templates import hydra_text

#: A text that Hydra would read as a number, a boolean or null, if the text were not in quotes.
_OTHER_TYPE = re.compile(r"[-+]?\.?\d[\w.+-]*|[-+]?(inf|nan)|true|false|null", re.I | re.ASCII)


def is_complete(values: Mapping[str, object]) -> bool:
    """Return whether each name is a dotted key, a key at the top level, or a config group."""
    return all("." in name or name in _top_level() for name in values)


def with_full_keys(values: Mapping[str, object], plain_keys: Sequence[str]) -> dict[str, object]:
    """Return full key -> value.

    Args:
        values: Full key, or last part of a key -> value.
        plain_keys: The dotted keys whose value is plain.

    Raises:
        ConfigError: A name is the last part of no key, or of several keys.
    """
    top, full, faults = _top_level(), dict[str, object](), []
    for name, value in values.items():
        if "." in name or name in top:
            full[name] = value
            continue
        keys = [key for key in plain_keys if key.rpartition(".")[2] == name]
        if len(keys) == 1:
            full[keys[0]] = value
        elif keys:
            faults.append(
                f"{name}: must be the name of one key, but is the name of {listing(keys)}; write "
                f'the whole key as text, e.g. "{override_text(keys[0], value)}"'
            )
        else:
            faults.append(
                f"{name}: no such key{_meant(name, plain_keys)}; to add a key, write the whole key "
                f'as text, e.g. "+job.inputs.{override_text(name, value)}"'
            )
    if faults:
        raise ConfigError(faults)
    return full


def _meant(name: str, plain_keys: Sequence[str]) -> str:
    """Return the key that the user may mean, in parentheses; empty if this is unclear."""
    meant = meant_keys(name)
    if len(meant) == 1:
        return f" (did you mean {meant[0].rpartition('.')[2]}, i.e. {meant[0]}?)"
    return similar(name, [*_top_level(), *(key.rpartition(".")[2] for key in plain_keys)])


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
            return f"'{value}'" if _OTHER_TYPE.fullmatch(value) else hydra_text(value)
        case PathLike():
            return hydra_text(str(fspath(value)))
        case Mapping():
            return f"{{{','.join(f'{name}:{_text(key, part)}' for name, part in value.items())}}}"
        case list() | tuple():
            return f"[{','.join(_text(key, part) for part in value)}]"
    raise ConfigError(
        [
            f"{key}: must be a number, a text, true or false, null, a list or a mapping, got "
            f"{value!r} of type {type(value).__name__}"
        ]
    )


def _top_level() -> list[str]:
    return [*(keys_at("") or ()), "profile"]
