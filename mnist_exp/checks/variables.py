"""Checks of environment variables. A message never contains a value, because it may be a secret."""

from collections.abc import Iterator, Mapping
from typing import Any

#: Type of a value -> the type's name in a message.
_KINDS = {dict: "a mapping", list: "a list", type(None): "null", bool: "a boolean"}


def variable_faults(where: str, variables: Mapping[str, Any]) -> Iterator[str]:
    """Yield faults of the names and the values of environment variables."""
    for name, value in variables.items():
        if not name or "=" in name:
            shown = name.partition("=")[0] + ("=..." if name else "")
            yield f"{where}: a name must not be empty and must not contain =, got {shown!r}"
        elif not isinstance(value, str):
            kind = _KINDS.get(type(value), type(value).__name__)
            yield f"{where}.{name}: must be text, got {kind}; put the text in quotes"
        elif "\0" in value:
            yield f"{where}.{name}: must not contain a null character"
