"""What Hydra's composition leaves to do: relative paths, and mappings that were emptied.

A path in a YAML file is relative to that file; one from the command line is relative to the
current folder.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mnist_exp.cli.arguments import override_key

#: Config keys that hold local paths.
_PATH_KEYS = (
    "job.code",
    "env.conda_file",
    "data.path",
    "data.cache_dir",
    "endpoint.deployment.code",
    "endpoint.deployment.environment.conda_file",
    "endpoint.request_file",
    "workspace.config_file",
)

_GLOBAL_PACKAGE = "# @package _global_"


_REFERENCE = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")


def task_overrides(hydra_config: DictConfig) -> list[str]:
    """Return the overrides that a command was given, with the references in them as they are."""
    words = OmegaConf.to_container(hydra_config.overrides.task, resolve=False)
    return [str(word) for word in words] if isinstance(words, list) else []


def input_sources(composed: DictConfig) -> dict[str, str]:
    """Return for each job input that is a reference the config key that it refers to.

    A search space may then name the key, as in `model.learning_rate`.
    """
    inputs = OmegaConf.to_container(composed.job.inputs, resolve=False)
    found = {}
    for name, value in inputs.items() if isinstance(inputs, dict) else ():
        if isinstance(value, str) and (match := _REFERENCE.fullmatch(value)):
            found[str(name)] = match[1]
    return found


def resolve_paths(composed: DictConfig, hydra_config: DictConfig) -> None:
    """Replace each relative path in `composed` by an absolute one."""
    for key in (*_PATH_KEYS, *_input_paths(composed)):
        value = OmegaConf.select(composed, key, throw_on_missing=False)
        if isinstance(value, str) and value != "":
            folder = _folder_of(key, value, hydra_config)
            resolved = (folder / Path(value).expanduser()).resolve()
            OmegaConf.update(composed, key, str(resolved))


def empty_mappings(composed: DictConfig, overrides: Sequence[str]) -> None:
    """Have `key={}` leave nothing in a mapping but what later overrides put there.

    Hydra merges it with what is there, and so does nothing at all.
    """
    for place, override in enumerate(overrides):
        key, _, value = override.lstrip("+").partition("=")
        if value.replace(" ", "") != "{}":
            continue
        node = OmegaConf.select(composed, key)
        if isinstance(node, DictConfig):
            OmegaConf.set_struct(node, False)
            node.clear()
            for later in OverridesParser.create().parse_overrides(list(overrides[place + 1 :])):
                _repeat(composed, later, key)


def _repeat(composed: DictConfig, override: Override, key: str) -> None:
    """Do again what an override does to `key` or to something in it."""
    changed = override.key_or_group
    if changed != key and not changed.startswith(f"{key}."):
        return
    if not override.is_delete():
        OmegaConf.update(composed, changed, override.value(), force_add=True)
        return
    above, _, name = changed.rpartition(".")
    node = OmegaConf.select(composed, above)
    if isinstance(node, DictConfig):
        node.pop(name, None)


def _input_paths(composed: DictConfig) -> Iterator[str]:
    """Yield the keys of job inputs that are local paths, not URIs and not `{{data}}`."""
    for name, value in composed.job.inputs.items():
        if isinstance(value, DictConfig) and isinstance(value.get("path"), str):
            path = value["path"]
            if "{{" not in path and not path.startswith("azureml:") and "://" not in path:
                yield f"job.inputs.{name}.path"


def _folder_of(key: str, value: str, hydra_config: DictConfig) -> Path:
    """Return the folder that a relative `value` of `key` is relative to."""
    if not any(_overrides(str(override), key) for override in task_overrides(hydra_config)):
        for path, package in _config_files(hydra_config):
            if _names(path, package, key, value):
                return path.parent
    return Path(hydra_config.runtime.cwd)


def _overrides(override: str, key: str) -> bool:
    name = override_key(override)
    return name == key or (key.startswith(f"{name}.") and "{" in override)


def _config_files(hydra_config: DictConfig) -> Iterator[tuple[Path, str]]:
    """Yield the files that were composed with the key they fill in, the strongest first."""
    sources = [
        Path(source.path)
        for source in hydra_config.runtime.config_sources
        if source.schema == "file"
    ]
    choices: dict[str, Any] = dict(hydra_config.runtime.choices)
    for group in reversed([group for group in choices if not group.startswith("hydra/")]):
        option = choices[group]
        if isinstance(option, str):
            yield from _with_defaults(sources, group, option)
    yield from _with_defaults(sources, "", hydra_config.job.config_name)


def _with_defaults(sources: Sequence[Path], group: str, option: str) -> Iterator[tuple[Path, str]]:
    """Yield the file of a group's option, then the files of the group that it builds on."""
    name = option if option.endswith(".yaml") else f"{option}.yaml"
    path = next((file for source in sources if (file := source / group / name).is_file()), None)
    if path is None:
        return
    is_global = path.read_text(encoding="utf-8").lstrip().startswith(_GLOBAL_PACKAGE)
    yield path, "" if is_global else group.replace("/", ".")
    for entry in reversed(_load(path).get("defaults") or []):
        if isinstance(entry, str) and entry != "_self_" and group:
            name = entry.partition("@")[0]
            named_group, _, base = name.removeprefix("/").rpartition("/")
            if not name.startswith("/"):
                named_group, base = group, name
            yield from _with_defaults(sources, named_group, base)


def _names(path: Path, package: str, key: str, value: str) -> bool:
    """Whether the file, which fills in `package`, sets `key` to this very value."""
    if package and not key.startswith(f"{package}."):
        return False
    content: Any = _load(path)
    for part in key.removeprefix(f"{package}.").split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return bool(content == value)


@cache
def _load(path: Path) -> dict[Any, Any]:
    try:
        content = OmegaConf.to_container(OmegaConf.load(path))
    except (OSError, OmegaConfBaseException, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
