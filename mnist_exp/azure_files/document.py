"""A YAML document with the line of each key, changed by the `set.` keys of the command line."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from mnist_exp.errors import ConfigError
from mnist_exp.names import describe_path

#: The names on the way from the document to a value.
Key = tuple[str, ...]

#: A text that an author of an example wants to be replaced, e.g. `<name>` or `{{NAME}}`.
_PLACEHOLDER = re.compile(r"\s*(<[^<>]+>|\{\{[^{}]+\}\})\s*")


@dataclass(frozen=True)
class Document:
    """The content of a YAML file.

    Attributes:
        path: The absolute path of the file.
        content: The content, with the changes of the command line.
        lines: Key -> the line of the key in the file.
        current: The current folder, which relative paths on the command line refer to.
        changed: The keys that the command line sets.
    """

    path: Path
    content: Mapping[str, Any]
    lines: Mapping[Key, int]
    current: Path
    changed: frozenset[Key] = field(default_factory=frozenset)

    def where(self, key: Key) -> str:
        """Return the place of a key for a message, e.g. `job.yml:8: inputs.epochs`."""
        # A text can stand for a mapping, e.g. the name of an environment. It has no keys.
        known, value = 0, self.content
        while known < len(key) and isinstance(value, Mapping):
            value = value.get(key[known], {})
            known += 1
        shown = ".".join(key[:known])
        if self._is_changed(key):
            return f"set.{shown}"
        found = (self.lines.get(key[:length]) for length in range(len(key), 0, -1))
        line = next(filter(None, found), 1)
        return f"{self.path.name}:{line}: {shown}"

    def absolute(self, key: Key, path: str) -> str:
        """Return a local path as an absolute path.

        A path in the file is relative to the folder of the file. A path on the command line is
        relative to the current folder.
        """
        folder = self.current if self._is_changed(key) else self.path.parent
        return str(folder / path)

    def placeholders(self, value: Any, key: Key = ()) -> Iterator[tuple[Key, str]]:
        """Yield key and text of each text below a value that is only a placeholder."""
        if isinstance(value, Mapping):
            for name, part in value.items():
                yield from self.placeholders(part, (*key, str(name)))
        elif isinstance(value, str) and _PLACEHOLDER.fullmatch(value):
            yield key, value.strip()

    def _is_changed(self, key: Key) -> bool:
        return any(key[: len(changed)] == changed for changed in self.changed)


def load_document(path: Path, changes: Mapping[str, Any], current: Path) -> Document:
    """Read a YAML file as Azure ML's SDK reads it, and apply changes to its content.

    Args:
        path: The file.
        changes: Nested mappings. Each value replaces the value of the same key in the document.
        current: The current folder.

    Raises:
        ConfigError: The file cannot be read, or is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as error:
        there = describe_path(str(path))
        raise ConfigError([f"file: must be a YAML file, got {path}, which {there}"]) from error
    except (UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError([f"file: must be valid YAML, got {path} ({reason})"]) from error
    if not isinstance(content, dict):
        raise ConfigError([f"file: must be a mapping of keys, got {path}"])
    changed = frozenset(_apply(content, changes, ()))
    return Document(path, content, dict(_lines(node, ())), current, changed)


def _apply(content: dict[str, Any], changes: Mapping[str, Any], key: Key) -> Iterator[Key]:
    """Apply changes to a mapping. Yield the key of each new value."""
    for name, value in changes.items():
        below = (*key, str(name))
        if isinstance(value, Mapping) and value and isinstance(content.get(name), dict):
            yield from _apply(content[name], value, below)
        else:
            content[name] = value
            yield below


def _lines(node: Any, key: Key) -> Iterator[tuple[Key, int]]:
    """Yield key and line of each key below a node of YAML. A node cannot contain itself."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            below = (*key, str(name.value))
            yield below, name.start_mark.line + 1
            yield from _lines(value, below)
