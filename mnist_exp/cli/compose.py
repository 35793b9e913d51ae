"""The conversion of a config that Hydra has composed to a typed experiment.

We add two rules to Hydra's rules. First, a relative path in a YAML file is relative to the folder
of that YAML file. A relative path on the command line is relative to the current folder. Second,
the override `key={}` empties the mapping `key`.
"""

import os
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from mnist_exp.cli.arguments import override_key
from mnist_exp.cli.schema_keys import explain_key, keys_at, type_at, unknown_keys
from mnist_exp.cli.written_text import keep_written_texts
from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.errors import ConfigError
from mnist_exp.experiment import Experiment

_PACKAGE = Path(__file__).resolve().parent.parent

#: Mappings to which the command line can add keys without a `+`.
_FREE_MAPPINGS = (
    "job.environment_variables",
    "sweep.sampling_algorithm",
    "sweep.early_termination",
    "endpoint.traffic",
    "endpoint.mirror_traffic",
    "endpoint.deployment.environment_variables",
)

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

#: Type of a config key -> a value that breaks no rule. This value replaces a missing value while we
#: check the other keys.
_STAND_INS: dict[Any, Any] = {str: "maximize", int: 1, float: 1.0}

_GLOBAL_PACKAGE = "# @package _global_"
_REFERENCE = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")


class MissingKeysError(ConfigError):
    """An error that lists the mandatory keys without a value."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__([_missing(key) for key in keys])
        self.keys = tuple(keys)


def config_folder() -> Path:
    """Return the config folder.

    The folder is inside the installed package. In the repository, the folder is beside the package.
    """
    installed = _PACKAGE / "conf"
    return installed if installed.is_dir() else _PACKAGE.parent / "conf"


def register_schemas() -> None:
    """Register the schema `experiment_schema`. conf/config.yaml uses this schema."""
    schema = OmegaConf.structured(ExperimentConfig)
    for key in _FREE_MAPPINGS:
        OmegaConf.set_struct(OmegaConf.select(schema, key), False)
    ConfigStore.instance().store(name="experiment_schema", node=schema)


def split(composed: DictConfig) -> tuple[DictConfig, DictConfig]:
    """Return the two parts of a composed config: the task's config, and the `hydra` node."""
    hydra_config = composed.hydra
    task = composed.copy()
    with open_dict(task):
        OmegaConf.set_readonly(task, False)
        del task["hydra"]
    return task, hydra_config


def task_overrides(hydra_config: DictConfig) -> list[str]:
    """Return the overrides of a command. References such as `${seed}` stay unresolved."""
    overrides = OmegaConf.to_container(hydra_config.overrides.task, resolve=False)
    return [str(override) for override in overrides] if isinstance(overrides, list) else []


def to_experiment(composed: DictConfig, hydra_config: DictConfig) -> Experiment:
    """Convert a composed config to plain dataclasses with absolute paths.

    Args:
        composed: The task's config, without the `hydra` node.
        hydra_config: The `hydra` node. It contains the config files and the overrides.

    Raises:
        MissingKeysError: Mandatory keys have no value.
        ConfigError: The config has keys that the schema does not have.
    """
    if unknown := list(unknown_keys(composed)):
        raise ConfigError([explain_key(key) for key in unknown])
    # A missing value counts as a key of the config, but `in` would be false for this key.
    present = set(composed.keys())
    if deleted := [name for name in keys_at("") or () if name not in present]:
        raise ConfigError(
            [f"~{name}: cannot be deleted, only set; write {name}=..." for name in deleted]
        )
    if missing := sorted(OmegaConf.missing_keys(composed)):
        raise MissingKeysError(missing)
    composed = composed.copy()
    _empty_mappings(composed, task_overrides(hydra_config))
    keep_written_texts(composed, _config_files(hydra_config), task_overrides(hydra_config))
    sources = _input_sources(composed)
    resolve_paths(composed, hydra_config)
    config = OmegaConf.to_object(composed)
    if not isinstance(config, ExperimentConfig):
        raise TypeError(f"the composed config must be an ExperimentConfig, got {type(config)}")
    return Experiment(**vars(config), sources=sources)


def with_stand_ins(composed: DictConfig, keys: Sequence[str]) -> DictConfig | None:
    """Return the config with a valid value for each missing key, to check the other keys.

    Args:
        composed: As for `to_experiment`.
        keys: The missing keys.

    Returns:
        None if there is no valid value for one of the keys.
    """
    filled = composed.copy()
    for key in keys:
        kind = type_at(key)
        if kind not in _STAND_INS:
            return None
        OmegaConf.update(filled, key, _STAND_INS[kind])
    return filled


def _missing(key: str) -> str:
    if key == "stage":
        listed = ", ".join(stage.value for stage in Stage)
        return f"stage: must be one of {listed}; add e.g. stage=all"
    return f"{key}: must be given; add {key}=..."


def _input_sources(composed: DictConfig) -> dict[str, str]:
    """Return input name -> config key, for each job input whose value is a reference."""
    inputs = OmegaConf.to_container(composed.job.inputs, resolve=False)
    found = {}
    for name, value in inputs.items() if isinstance(inputs, dict) else ():
        if isinstance(value, str) and (match := _REFERENCE.fullmatch(value)):
            found[str(name)] = match[1]
    return found


def _empty_mappings(composed: DictConfig, overrides: Sequence[str]) -> None:
    """Empty each mapping that an override `key={}` sets, and apply the later overrides again.

    Hydra only merges `{}` into the existing mapping, which does not change the mapping.
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
    """Apply an override again if the override changes `key` or a key below `key`."""
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


def moved(path: str, old: Path, new: Path) -> str:
    """Return the present path of a file of a project that may have been moved or copied.

    The path changes only if it is absolute, and if the same path relative to `new` exists.

    Args:
        path: The path when it was saved.
        old: A folder of the project when the path was saved.
        new: The present path of this folder.
    """
    if not Path(path).is_absolute() or not old.is_absolute():
        return path
    found = os.path.normpath(new / os.path.relpath(path, old))
    return found if Path(found).exists() else path


def follow_move(composed: DictConfig, old: Path, new: Path) -> None:
    """Change the paths in a saved config if its project was moved, renamed or copied.

    Args:
        composed: The config, with absolute paths.
        old: A folder of the project when the config was saved.
        new: The present path of this folder.
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
            resolved = (folder / Path(value).expanduser()).resolve()
            OmegaConf.update(composed, key, str(resolved))


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
        for path, package in _config_files(hydra_config):
            if _file_sets(path, package, key, value):
                return path.parent
    return Path(hydra_config.runtime.cwd)


def _sets(override: str, key: str) -> bool:
    """Return whether an override sets `key`, either directly or inside `{...}`."""
    name = override_key(override)
    return name == key or (key.startswith(f"{name}.") and "{" in override)


def _config_files(hydra_config: DictConfig) -> Iterator[tuple[Path, str]]:
    """Yield each config file that Hydra has composed, with the config key of its content.

    The files come in order of priority, highest first. If the config key is empty, the content of
    the file is at the top level of the composed config.
    """
    folders = [
        Path(source.path)
        for source in hydra_config.runtime.config_sources
        if source.schema == "file"
    ]
    choices: dict[str, Any] = {
        **hydra_config.runtime.choices,
        **dict(_several_options(hydra_config)),
    }
    for group in reversed([group for group in choices if not group.startswith("hydra/")]):
        option = choices[group]
        # `GROUP@PACKAGE` puts the content of the file below another config key.
        folder, _, package = group.partition("@")
        for one in [option] if isinstance(option, str) else reversed(option or ()):
            for path, own in _with_defaults(folders, folder, str(one)):
                yield path, package or own
    yield from _with_defaults(folders, "", hydra_config.job.config_name)


def _several_options(hydra_config: DictConfig) -> Iterator[tuple[str, Any]]:
    """Yield each override whose value is a list, e.g. `job=[tutorial,mine]`.

    Hydra does not list such a choice of several options among the choices.
    """
    for override in OverridesParser.create().parse_overrides(task_overrides(hydra_config)):
        if not override.is_delete() and isinstance(override.value(), list):
            yield override.key_or_group, override.value()


def _with_defaults(folders: Sequence[Path], group: str, option: str) -> Iterator[tuple[Path, str]]:
    """Yield the file of a group's option, and then the files in the defaults list of this file."""
    name = option if option.endswith(".yaml") else f"{option}.yaml"
    path = next((file for folder in folders if (file := folder / group / name).is_file()), None)
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
