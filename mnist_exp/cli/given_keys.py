"""The config keys and config groups that overrides set."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser


def given_keys(overrides: Sequence[str]) -> Iterator[str]:
    """Yield each key that the overrides set or delete. For a mapping, yield its entries' keys."""
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        value = None if override.is_delete() else override.value()
        yield from _keys(override.get_key_element().lstrip("+~"), value)


def _keys(key: str, value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping) or not value:
        yield key
        return
    for name, part in value.items():
        yield from _keys(f"{key}.{name}", part)
