"""Keep environment variables as they are written.

The value of an environment variable is text. YAML and Hydra read an unquoted `010`, `1.50` or `yes`
as a number or a boolean. OmegaConf then writes the text `8`, `1.5` or `True`. The functions of this
module instead use the text in the config file or on the command line.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import yaml  # type: ignore[import-untyped]
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

#: The config keys of environment variables.
VARIABLES = ("job.environment_variables", "endpoint.deployment.environment_variables")


def keep_written_texts(
    composed: DictConfig, files: Iterable[tuple[Path, str]], overrides: Sequence[str]
) -> None:
    """Replace the value of each environment variable in `composed` by its text.

    Args:
        composed: The composed config.
        files: The config files, and the config key below which Hydra puts the content of each
            file. Highest priority first.
        overrides: The command's overrides.
    """
    listed = list(files)
    for mapping in VARIABLES:
        node = OmegaConf.select(composed, mapping)
        for name in list(node) if isinstance(node, DictConfig) else ():
            key = [*mapping.split("."), str(name)]
            texts = [*_on_command_line(mapping, str(name), overrides), *_in_files(key, listed)]
            if texts and texts[0] is not None:
                node[name] = texts[0]


def _on_command_line(mapping: str, name: str, overrides: Sequence[str]) -> Iterator[str | None]:
    """Yield the text of a variable in each override; None if the parsed value is already text."""
    for override in reversed(OverridesParser.create().parse_overrides(list(overrides))):
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


def _in_files(key: Sequence[str], files: Iterable[tuple[Path, str]]) -> Iterator[str | None]:
    """Yield the text of a variable in each config file; None if the value has a reference."""
    for path, package in files:
        prefix = package.split(".") if package else []
        if list(key[: len(prefix)]) != prefix:
            continue
        node = _tree(path)
        for part in key[len(prefix) :]:
            node = _child(node, part)
        if isinstance(node, yaml.ScalarNode):
            yield None if "${" in node.value else str(node.value)


def _child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for key, value in pairs if str(key.value) == name), None)


@cache
def _tree(path: Path) -> yaml.Node | None:
    try:
        return yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return None
