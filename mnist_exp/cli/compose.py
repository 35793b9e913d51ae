"""Convert the config that Hydra composed into a typed experiment.

We add two rules to Hydra's rules. `config_paths` has the rule for relative paths. This module has
the other rule: the override `key={}` empties the mapping `key`.
"""

import functools
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict

from mnist_exp.cli.arguments import is_utf8
from mnist_exp.cli.config_paths import config_files, resolve_paths, task_overrides
from mnist_exp.cli.given_keys import chosen_keys, given_keys
from mnist_exp.cli.hide_values import hidden_override
from mnist_exp.cli.schema_keys import explain_key, keys_at, type_at, unknown_keys
from mnist_exp.cli.written_text import keep_written_texts
from mnist_exp.config import ExperimentConfig, Stage, WorkspaceType
from mnist_exp.errors import ConfigError
from mnist_exp.experiment import Experiment
from mnist_exp.hidden_values import key_below, key_names

_PACKAGE = Path(__file__).resolve().parent.parent

#: Mappings to which the command line can add keys without a `+`.
_FREE_MAPPINGS = (
    "set",
    "job.environment_variables",
    "sweep.sampling_algorithm",
    "sweep.early_termination",
    "endpoint.traffic",
    "endpoint.mirror_traffic",
    "endpoint.deployment.environment_variables",
)

#: Type of a config key -> a value that breaks no rule. This value replaces a missing value while we
#: check the other keys.
_STAND_INS: dict[Any, Any] = {str: "maximize", int: 1, float: 1.0}

_REFERENCE = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")
#: The text of an interpolation, which may call a resolver, e.g. `${oc.select:model.epochs,5}`.
_INTERPOLATION = re.compile(r"\$\{(.*?)\}")
_NAME = re.compile(r"[A-Za-z_][\w.]*")
#: The resolver of the variables of the caller's environment.
_OF_ENVIRONMENT = "${oc.env:"


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
    # Hydra copies its config store for each composition and for each group of `--help`. No caller
    # changes a copy, because `ConfigStore.load` copies each config again.
    ConfigStore.__deepcopy__ = lambda store, _: store  # type: ignore[attr-defined]
    ConfigStore.instance().store(name="experiment_schema", node=_schema())
    OmegaConf.register_new_resolver("concurrent_trials", _concurrent_trials, replace=True)


def _concurrent_trials(workspace: str, most: int) -> int:
    """Return the default number of concurrent trials: on this machine, at most one for each core.

    More trials than cores would slow each other down.
    """
    return min(most, len(os.sched_getaffinity(0))) if workspace == WorkspaceType.local else most


@functools.cache
def _schema() -> DictConfig:
    schema: DictConfig = OmegaConf.structured(ExperimentConfig)
    for key in _FREE_MAPPINGS:
        OmegaConf.set_struct(OmegaConf.select(schema, key), False)
    return schema


def split(composed: DictConfig) -> tuple[DictConfig, DictConfig]:
    """Return the two parts of a composed config: the task's config, and the `hydra` node."""
    hydra_config = composed.hydra
    task = composed.copy()
    with open_dict(task):
        OmegaConf.set_readonly(task, False)
        del task["hydra"]
    return task, hydra_config


def to_experiment(composed: DictConfig, hydra_config: DictConfig) -> Experiment:
    """Convert a composed config to plain dataclasses with absolute paths.

    Args:
        composed: The task's config, without the `hydra` node.
        hydra_config: The `hydra` node, which contains the config files and the overrides.

    Raises:
        MissingKeysError: Mandatory keys have no value.
        ConfigError: The config has keys that the schema does not have.
    """
    if unknown := list(unknown_keys(composed)):
        raise ConfigError([explain_key(key) for key in unknown])
    # Do not test `name in composed`, which is false for a key with a missing value.
    present = set(composed.keys())
    if deleted := [name for name in keys_at("") or () if name not in present]:
        raise ConfigError(
            [f"~{name}: cannot be deleted, only set; write {name}=..." for name in deleted]
        )
    if missing := sorted(OmegaConf.missing_keys(composed)):
        raise MissingKeysError(missing)
    composed = composed.copy()
    _empty_mappings(composed, task_overrides(hydra_config))
    keep_written_texts(composed, config_files(hydra_config), task_overrides(hydra_config))
    sources = _input_sources(composed)
    references = tuple(_references("", OmegaConf.to_container(composed, resolve=False)))
    resolve_paths(composed, hydra_config)
    config = OmegaConf.to_object(composed)
    if not isinstance(config, ExperimentConfig):
        raise TypeError(f"the composed config must be an ExperimentConfig, got {type(config)}")
    if faults := list(_encoding_faults("", vars(config))):
        raise ConfigError(faults)
    config.run = _run_names(config.run, config.stage)
    overrides = tuple(task_overrides(hydra_config))
    return Experiment(
        **vars(config),
        sources=sources,
        overrides=tuple(map(hidden_override, overrides)),
        given=tuple(given_keys(overrides)),
        chosen=chosen_keys(hydra_config),
        references=references,
        # The paths no longer contain interpolations, because they were resolved.
        interpolations=dict(_interpolations(composed, references)),
    )


def _run_names(run: Any, stage: Stage) -> str | list[str] | None:
    """Return the value of the key `run`: a name, or a list of names for stage=compare.

    Raises:
        ConfigError: The value is something else.
    """
    if run is None or isinstance(run, str | int | float):
        return None if run is None else str(run)
    names = [str(name) for name in run] if isinstance(run, list) else []
    if stage is Stage.compare and names:
        return names
    written = f"[{','.join(names)}]" if names else run
    raise ConfigError(
        [f"run: must be one name, got {written}; only stage=compare takes a list: 'run=[A,B]'"]
    )


def with_stand_ins(composed: DictConfig, keys: Sequence[str]) -> DictConfig | None:
    """Return the config with a valid value for each missing key, to check the other keys.

    Args:
        composed: As for `to_experiment`.
        keys: The missing keys.

    Returns:
        None if `_STAND_INS` has no value for the type of a missing key.
    """
    filled = composed.copy()
    for key in keys:
        kind = type_at(key)
        if kind not in _STAND_INS:
            return None
        OmegaConf.update(filled, key, _STAND_INS[kind])
    return filled


def _encoding_faults(key: str, value: Any) -> Iterator[str]:
    """Yield a line for each text that cannot be written as UTF-8.

    The value of an environment variable may have such bytes. Python reads each byte as a surrogate.
    """
    if is_dataclass(value) or isinstance(value, dict):
        parts = value if isinstance(value, dict) else vars(value)
        for name, part in parts.items():
            yield from _encoding_faults(f"{key}.{name}" if key else str(name), part)
    elif isinstance(value, list):
        for part in value:
            yield from _encoding_faults(key, part)
    elif isinstance(value, str) and not is_utf8(value):
        yield f"{key}: must be UTF-8 text, got other bytes; correct the value"


def _missing(key: str) -> str:
    if key == "stage":
        listed = ", ".join(stage.value for stage in Stage)
        return f"stage: must be one of {listed}; add e.g. stage=all, or run mnist-exp --help"
    return f"{key}: must be given; add {key}=..."


def _input_sources(composed: DictConfig) -> dict[str, str]:
    """Return input name -> config key, for each job input whose value is a reference."""
    inputs = OmegaConf.to_container(composed.job.inputs, resolve=False)
    found = {}
    for name, value in inputs.items() if isinstance(inputs, dict) else ():
        if isinstance(value, str) and (match := _REFERENCE.fullmatch(value)):
            found[str(name)] = match[1]
    return found


def _references(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield two config keys for each reference in a value.

    The first key contains the reference. The second key is the key that the reference names.

    Args:
        key: The config key of the value.
        value: The value, which may be a mapping or a list.
    """
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _references(f"{key}.{name}" if key else str(name), part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(key, part)
    elif isinstance(value, str):
        for found in _INTERPOLATION.finditer(value):
            yield from ((key, name) for name in _NAME.findall(found[1]))


def _interpolations(
    composed: DictConfig, references: Collection[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Yield config key and text of each value that contains a variable of the environment.

    A value may also refer to another key whose value contains such a variable.
    """
    texts = dict(_texts("", OmegaConf.to_container(composed, resolve=False)))
    found = {_without_indices(key) for key, text in texts.items() if _OF_ENVIRONMENT in text}
    while more := {reader for reader, target in references if target in found} - found:
        found |= more
    yield from ((key, text) for key, text in texts.items() if _without_indices(key) in found)


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield config key and text of each value that is a text with an interpolation."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _texts(key_below(key, str(name)), part)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _texts(f"{key}[{index}]", part)
    elif isinstance(value, str) and "${" in value:
        yield key, value


def _without_indices(key: str) -> str:
    """Return a config key as `_references` writes it: the key of an element is its list's key."""
    return ".".join(name for name in key_names(key) if not name.isdecimal())


def _empty_mappings(composed: DictConfig, overrides: Sequence[str]) -> None:
    """Empty each mapping that an override `key={}` sets, and apply the later overrides again.

    Hydra itself merges `{}` into the existing mapping, so the mapping would not change.
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
                repeat_override(composed, later, key)


def repeat_override(composed: DictConfig, override: Override, key: str) -> None:
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
