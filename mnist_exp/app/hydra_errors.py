"""Turns what Hydra and OmegaConf raise on bad input into one line that helps.

Their messages span several lines and quote internals; each is rebuilt here as key, rule, value
and remedy. What is not recognised keeps its own words, joined into one line.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, get_args, get_type_hints

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import ConfigKeyError as OmegaConfKeyError
from omegaconf.errors import (
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from mnist_exp.config import ExperimentConfig

__all__ = ["FOREIGN", "explain"]

#: What Hydra raises on bad input.
FOREIGN = (HydraException, OmegaConfBaseException)


def explain(error: BaseException) -> str:
    """Return one line for an exception of `FOREIGN`."""
    if isinstance(error, MissingConfigException):
        return _explain_option(error)
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override}: not a readable override; write key=value, "
            "and quote what holds spaces, commas or braces: 'key=\"a, b\"'"
        )
    cause = _root_cause(error)
    if isinstance(cause, OmegaConfBaseException):
        return _explain_value(cause)
    if hasattr(cause, "full_key"):
        return f"{cause.full_key}: cannot be changed so ({_one_line(str(cause))})"
    return _explain_text(str(error))


def _explain_option(error: MissingConfigException) -> str:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    options = [name for name in error.options or () if name]
    if not group or not options:
        return _one_line(str(error))
    return f"{group}: must be one of {_listing(options)}, got {option}{_similar(option, options)}"


def _explain_value(error: OmegaConfBaseException) -> str:
    key = error.full_key or error.key or ""
    if isinstance(error, MissingMandatoryValue):
        return f"{key}: must be given; add {key}=..."
    if isinstance(error, InterpolationResolutionError):
        return f"{key}: {_one_line(error.msg or str(error))}"
    kind = _type_at(str(key))
    if _is_unknown_key(error) or kind is None:
        return _explain_key(str(key))
    got = re.search(r"[Vv]alue '(.*?)'", error.msg or "")
    return f"{key}: must be {_describe(kind)}, got {got.group(1) if got else 'something else'}"


def _is_unknown_key(error: OmegaConfBaseException) -> bool:
    return isinstance(error, OmegaConfKeyError) or "not in" in (error.msg or "")


def _explain_key(key: str) -> str:
    parent, _, name = key.rpartition(".")
    known = _keys_at(parent)
    if known is None:
        return f"{key}: no such key"
    where = parent or "the config"
    return f"{key}: no such key{_similar(name, known)}; {where} has {_listing(known)}"


def _explain_text(text: str) -> str:
    unknown = re.search(r"Could not override '([^']+)'", text)
    if unknown:
        return _explain_override(unknown.group(1))
    deleted = re.search(r"Could not delete from config\. '([^']+)' does not exist", text)
    if deleted:
        return f"~{deleted.group(1)}: no such key to delete"
    appended = re.search(r"Could not append to config\. An item is already at '([^']+)'", text)
    if appended:
        return f"+{appended.group(1)}: is set already; write {appended.group(1)}=... without the +"
    ambiguous = re.search(r"Ambiguous value for argument '([^']+)'", text)
    if ambiguous:
        return (
            f"{ambiguous.group(1)}: several values need --multirun (-m), or brackets for a list: "
            f"'{ambiguous.group(1).replace('=', '=[', 1)}]'"
        )
    return _one_line(text)


def _explain_override(key: str) -> str:
    group, _, option = key.partition("=")
    if option and _keys_at(group) is None:
        return f"{group}: no such group or key{_similar(group, _keys_at('') or [])}"
    return _explain_key(group)


def _root_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _type_at(key: str) -> Any | None:
    """Return the type that the schema has for a dotted key, None if it has none."""
    current: Any = ExperimentConfig
    for part in re.sub(r"\[\d+\]", "", key).split("."):
        if not (isinstance(current, type) and is_dataclass(current)):
            return current if current is not None else None
        current = get_type_hints(current).get(part)
    return current


def _keys_at(key: str) -> list[str] | None:
    kind = _type_at(key) if key else ExperimentConfig
    if not (isinstance(kind, type) and is_dataclass(kind)):
        return None
    return [field.name for field in fields(kind)]


def _describe(kind: Any) -> str:
    options = [option for option in get_args(kind) or (kind,) if option is not type(None)]
    words = " or ".join(_describe_one(option) for option in options)
    return f"{words} or null" if len(options) < len(get_args(kind)) else words


def _describe_one(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"one of {_listing(member.value for member in kind)}"
    plain = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    if kind in plain:
        return plain[kind]
    return "a group of keys" if is_dataclass(kind) else "a mapping"


def _similar(name: str, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {matches[0]}?)" if matches else ""


def _listing(names: Iterable[str]) -> str:
    return ", ".join(names)


def _one_line(text: str) -> str:
    return " ".join(text.split())
