"""Keep environment variables as they are written.

The value of an environment variable is text. YAML and Hydra read an unquoted `010`, `1.50` or `yes`
as a number or a boolean. OmegaConf then writes the text `8`, `1.5` or `True`. The functions of this
module instead use the text in the config file or on the command line.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from mnist_exp.cli.config_paths import config_content
from mnist_exp.hidden_values import VARIABLES

#: A text that YAML may have read as a number or a boolean.
_CONVERTED = re.compile(r"True|False|[-+]?(\d|\.\d|inf|nan).*", re.IGNORECASE | re.DOTALL)
_UNQUOTED = re.compile(r"[^\s,'\"\[\]{}()$\\]+")
_MERGE = "tag:yaml.org,2002:merge"


def keep_written_texts(
    composed: DictConfig, files: Iterable[tuple[Path, str]], overrides: Sequence[str]
) -> None:
    """Replace each environment variable in `composed` by the text that the user wrote.

    Args:
        composed: The composed config.
        files: The config files, and the config key below which Hydra puts the content of each
            file. Highest priority first.
        overrides: The command's overrides.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    converted: set[tuple[str, str]] = set()
    for mapping in VARIABLES:
        for name, value in _texts(composed, mapping).items():
            written = next(_on_command_line(mapping, name, parsed), False)
            if isinstance(written, str):
                OmegaConf.select(composed, mapping)[name] = written
            elif written is False and _CONVERTED.fullmatch(value):
                converted.add((mapping, name))
    for path, package in files if converted else ():
        for mapping, name in sorted(converted):
            node = OmegaConf.select(composed, mapping)
            text = _in_file(path, package, [*mapping.split("."), name], node[name])
            if text is not None:
                node[name] = text
                converted.remove((mapping, name))
        if not converted:
            return


def quoted(override: str) -> str:
    """Return an override that sets an environment variable with quotes around numbers and booleans.

    For each variant of a multirun, Hydra writes the overrides anew. Hydra would write `1.5` for
    `1.50`. Other overrides are returned as they are.
    """
    key, _, value = override.partition("=")
    parts = value.split(",")
    is_variable = key.lstrip("+").startswith(tuple(f"{mapping}." for mapping in VARIABLES))
    if not is_variable or not all(_UNQUOTED.fullmatch(part) for part in parts):
        return override
    texts = (f'"{part}"' if _CONVERTED.fullmatch(part) else part for part in parts)
    return f"{key}={','.join(texts)}"


def _texts(composed: DictConfig, mapping: str) -> dict[str, str]:
    """Return the variables whose value is not a reference."""
    node = OmegaConf.select(composed, mapping)
    found = OmegaConf.to_container(node, resolve=False) if isinstance(node, DictConfig) else {}
    pairs = found.items() if isinstance(found, dict) else ()
    return {str(name): str(value) for name, value in pairs if "${" not in str(value)}


def _on_command_line(
    mapping: str, name: str, overrides: Sequence[Override]
) -> Iterator[str | None]:
    """Yield the text of a variable in each override that sets the variable, latest override first.

    For an override whose parsed value is already text, the function yields None.
    """
    for override in reversed(overrides):
        key, written = override.key_or_group, (override.input_line or "").partition("=")[2]
        if override.is_delete():
            continue
        value = override.value()
        if key == f"{mapping}.{name}":
            yield written.strip() if isinstance(value, int | float) else None
        elif key == mapping and isinstance(value, dict) and name in value:
            pair = re.search(rf"[{{,\s]{re.escape(name)}\s*:\s*([^,}}]*)", written)
            is_scalar = isinstance(value[name], int | float)
            yield pair[1].strip() if pair and is_scalar else None


def _in_file(path: Path, package: str, key: Sequence[str], value: str) -> str | None:
    """Return the text of a variable in a config file, if YAML reads the text as `value`.

    If YAML reads another value, the composed value is from another file. For example, `_self_` is
    not always the last entry of a defaults list.
    """
    prefix = package.split(".") if package else []
    if list(key[: len(prefix)]) != prefix:
        return None
    node: yaml.Node | None = _tree(path)
    content: Any = config_content(path)
    for part in key[len(prefix) :]:
        node = _child(node, part)
        content = content.get(part) if isinstance(content, dict) else None
    return str(node.value) if isinstance(node, yaml.ScalarNode) and str(content) == value else None


def _child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    """Return the value of a name in a mapping. The value may come from a merge key (`<<`).

    https://yaml.org/type/merge.html
    """
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    merged = [value for key, value in pairs if key.tag == _MERGE]
    parts = [part for one in merged for part in (_items(one) if _items(one) else [one])]
    own = (value for key, value in pairs if str(key.value) == name)
    return next(chain(own, filter(None, (_child(part, name) for part in parts))), None)


def _items(node: yaml.Node) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


@cache
def _tree(path: Path) -> yaml.Node | None:
    try:
        return yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return None
