"""Relative paths in a composed config, and the files that set the paths.

A relative path in a YAML file is relative to the folder of that YAML file. A relative path on the
command line is relative to the current folder.
"""

import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
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


def task_overrides(hydra_config: DictConfig) -> list[str]:
    """Return the overrides of a command. References such as `${seed}` stay unresolved."""
    overrides = OmegaConf.to_container(hydra_config.overrides.task, resolve=False)
    return [str(override) for override in overrides] if isinstance(overrides, list) else []


def moved(path: str, old: Path, new: Path) -> str:
    """Return the current path of a file whose project may have been moved or copied.

    If `path` is absolute, replace the folder `old` by `new`. If no such file exists, return `path`
    unchanged.

    Args:
        path: The saved path.
        old: A folder of the project: its path at the time when `path` was saved.
        new: The current path of this folder.
    """
    if not Path(path).is_absolute() or not old.is_absolute():
        return path
    found = os.path.normpath(new / os.path.relpath(path, old))
    return found if Path(found).exists() else path


def follow_move(composed: DictConfig, old: Path, new: Path) -> None:
    """Change the paths in a saved config if its project was moved, renamed or copied.

    Args:
        composed: The config, with absolute paths.
        old: A folder of the project: its path at the time when the config was saved.
        new: The current path of this folder.
    """
    for key in (*_PATH_KEYS, *_input_paths(composed)):
        value = OmegaConf.select(composed, key, throw_on_missing=False)
        if isinstance(value, str):
            OmegaConf.update(composed, key, moved(value, old, new))


def resolve_paths(composed: DictConfig, hydra_config: DictConfig) -> None:
    """Replace each relative path in `composed` by an absolute path."""
    for key in (*_PATH_KEYS, *_input_paths(composed)):
        value = OmegaConf.select(composed, key, throw_on_missing=False)
        if isinstance(value, str) and value != "":
            folder = _folder_of(key, value, hydra_config)
            # Do not use Path.expanduser(), which raises an error for an unknown user, as in
            # ~nobody/code.
            path = os.path.join(folder, os.path.expanduser(value))  # noqa: PTH111, PTH118
            OmegaConf.update(composed, key, _resolved(path))
    if hydra_config.job.chdir:
        # Hydra has changed the current folder to the run folder.
        composed.outputs_dir = os.path.join(hydra_config.runtime.cwd, composed.outputs_dir)  # noqa: PTH118


def _resolved(path: str) -> str:
    resolved = os.path.realpath(path)
    # If standard input is a pipe, /dev/stdin is a link to a path that no program can open.
    return path if os.path.exists(path) and not os.path.exists(resolved) else resolved  # noqa: PTH110


def _input_paths(composed: DictConfig) -> Iterator[str]:
    """Yield the config keys of the paths of job inputs, except URIs and `{{data}}`."""
    for name, value in composed.job.inputs.items():
        if isinstance(value, DictConfig) and isinstance(value.get("path"), str):
            path = value["path"]
            if "{{" not in path and not path.startswith("azureml:") and "://" not in path:
                yield f"job.inputs.{name}.path"


def _folder_of(key: str, value: str, hydra_config: DictConfig) -> Path:
    """Return the base folder of a relative path.

    The base is the folder of the YAML file that sets the key. If an override sets the key, the base
    is the current folder.

    Args:
        key: The config key of the path.
        value: The relative path.
        hydra_config: The `hydra` node.
    """
    if not any(_sets(override, key) for override in task_overrides(hydra_config)):
        for path, package in config_files(hydra_config):
            if _file_sets(path, package, key, value):
                return path.parent
    return Path(hydra_config.runtime.cwd)


def _sets(override: str, key: str) -> bool:
    """Return whether an override sets `key`, either directly or inside `{...}`."""
    name = override_key(override)
    return name == key or (key.startswith(f"{name}.") and "{" in override)


def config_files(hydra_config: DictConfig) -> Iterator[tuple[Path, str]]:
    """Yield each config file that Hydra has composed, with the config key of its content.

    The files come in order of priority, highest first. If the config key is empty, the content of
    the file is at the top level of the composed config.
    """
    options = chosen_options(hydra_config)
    for group in reversed([group for group in options if not group.startswith("hydra/")]):
        yield from option_files(hydra_config, group)
    yield from _with_defaults(_folders(hydra_config), "", hydra_config.job.config_name)


def chosen_options(hydra_config: DictConfig) -> dict[str, Any]:
    """Return config group -> its option, or the list of its options."""
    return {**hydra_config.runtime.choices, **_several_options(*task_overrides(hydra_config))}


def option_files(hydra_config: DictConfig, group: str) -> Iterator[tuple[Path, str]]:
    """Yield the files of the chosen option of a config group, as `config_files` does."""
    option = chosen_options(hydra_config).get(group)
    # `GROUP@PACKAGE` puts the content of the file below the config key PACKAGE, not GROUP.
    folder, _, package = group.partition("@")
    for one in [option] if isinstance(option, str) else reversed(option or ()):
        for path, own in _with_defaults(_folders(hydra_config), folder, str(one)):
            yield path, package or own


def _folders(hydra_config: DictConfig) -> list[Path]:
    sources = hydra_config.runtime.config_sources
    return [Path(source.path) for source in sources if source.schema == "file"]


@cache
def _several_options(*overrides: str) -> dict[str, Any]:
    """Return key -> list for each override whose value is a list, e.g. `job=[tutorial,mine]`.

    Hydra's `runtime.choices` does not contain a choice of several options. Parsing is slow, and the
    options of each config group need the same result.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    lists = (one for one in parsed if not one.is_delete() and isinstance(one.value(), list))
    return {one.key_or_group: one.value() for one in lists}


def _with_defaults(folders: Sequence[Path], group: str, option: str) -> Iterator[tuple[Path, str]]:
    """Yield the file of a group's option, and then the files in the defaults list of this file."""
    name = option if option.endswith(".yaml") else f"{option}.yaml"
    path = next((file for folder in folders if (file := folder / group / name).is_file()), None)
    if path is None:
        return
    is_global = path.read_text(encoding="utf-8").lstrip().startswith(_GLOBAL_PACKAGE)
    yield path, "" if is_global else group.replace("/", ".")
    for entry in reversed(config_content(path).get("defaults") or []):
        if isinstance(entry, str) and entry != "_self_" and group:
            name = entry.partition("@")[0]
            named_group, _, base = name.removeprefix("/").rpartition("/")
            if not name.startswith("/"):
                named_group, base = group, name
            yield from _with_defaults(folders, named_group, base)


def _file_sets(path: Path, package: str, key: str, value: str) -> bool:
    """Return whether a file sets `key` to exactly this value.

    Args:
        path: The file.
        package: The config key below which Hydra puts the content of the file.
        key: A config key.
        value: The value.
    """
    if package and not key.startswith(f"{package}."):
        return False
    content: Any = config_content(path)
    for part in key.removeprefix(f"{package}.").split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return bool(content == value)


@cache
def config_content(path: Path) -> dict[Any, Any]:
    """Return the content of a config file as Hydra reads it; empty if the file is not valid."""
    try:
        content = OmegaConf.to_container(OmegaConf.load(path))
    except (OSError, OmegaConfBaseException, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
