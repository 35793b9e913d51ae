"""Checks of environment variables."""

from collections.abc import Iterator, Mapping
from typing import Any


def variable_faults(where: str, variables: Mapping[str, Any]) -> Iterator[str]:
    """Yield faults of the names and the values of environment variables."""
    for name, value in variables.items():
        if not name or "=" in name:
            yield f"{where}: a name must not be empty and must not contain =, got {name!r}"
        if not isinstance(value, str):
            yield f"{where}.{name}: must be text, got {value!r}; put the text in quotes"
        elif "\0" in value:
            yield f"{where}.{name}: must not contain a null character"
