"""The primary config: our config, a user's config, or the saved config of an earlier run.

The flags `--config-path RUN/.hydra --config-name config` repeat a run with its saved config. Hydra
would compose the saved config alone, without our schema and our settings of Hydra. We therefore add
the schema and the settings. Hydra would also look for a relative `--config-path` in our package. We
look in the current folder.
https://hydra.cc/docs/tutorials/basic/running_your_app/working_directory
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from mnist_exp.cli.compose import config_folder
from mnist_exp.cli.config_paths import follow_move, moved, resolve_paths
from mnist_exp.cli.schema_keys import listing, similar
from mnist_exp.errors import ConfigError
from mnist_exp.templates import hydra_text

#: Name of our primary config.
OUR_NAME = "config"
#: Name under which Hydra finds the saved config of an earlier run.
SAVED_NAME = "saved_config"
#: File in which Hydra saves its settings of a run, beside the saved config of the run.
_HYDRA_FILE = "hydra.yaml"
_SCHEMA = "experiment_schema"
_PATH_FLAGS = ("--config-path", "-cp")
_NAME_FLAGS = ("--config-name", "-cn")
FOLDER_FLAGS = ("--config-dir", "-cd")


@dataclass(frozen=True)
class PrimaryConfig:
    """The primary config of a command.

    Attributes:
        folder: The folder that Hydra searches first.
        name: The name of the config.
        overrides: Overrides of Hydra's own keys that the config needs.
        flags: The other flags of the command.
    """

    folder: Path
    name: str
    overrides: Sequence[str]
    flags: Sequence[str]


def primary_config(flags: Sequence[str], overrides: Sequence[str]) -> PrimaryConfig:
    """Return the primary config that the flags of a command select.

    Args:
        flags: Hydra's flags, with their values.
        overrides: The overrides of the command.

    Raises:
        ConfigError: The file does not exist or cannot be used.
    """
    if any(flag.startswith("--experimental-rerun") for flag in flags):
        raise ConfigError(
            [
                "--experimental-rerun: is not supported; repeat a run with "
                f"--config-path RUN/.hydra --config-name {OUR_NAME}"
            ]
        )
    path, rest = _without(flags, _PATH_FLAGS)
    name, others = _without(rest, _NAME_FLAGS)
    own = path or _without(others, FOLDER_FLAGS)[0]
    if own is None or (path is None and name is None):
        return PrimaryConfig(config_folder(), name or OUR_NAME, (), others)
    folder = Path(own).absolute()
    file = _existing(folder, name or OUR_NAME, "--config-path" if path else "--config-dir")
    content = _content(file)
    if (folder / _HYDRA_FILE).is_file() and "defaults" not in content:
        _store_saved(content, folder)
        return PrimaryConfig(config_folder(), SAVED_NAME, (), others)
    _check_defaults(file, content)
    if path is None:
        return PrimaryConfig(config_folder(), str(name), (), others)
    is_given = any(override.startswith("hydra.searchpath=") for override in overrides)
    search = () if is_given else (f"hydra.searchpath=[{search_entry(config_folder())}]",)
    return PrimaryConfig(folder, name or OUR_NAME, search, others)


def search_entry(folder: Path) -> str:
    """Return a folder as an entry of the override `hydra.searchpath`."""
    return hydra_text(f"file://{folder}")


def _without(flags: Sequence[str], names: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the value of a flag (None if the flag is missing), and the other flags."""
    value, others, rest = None, list[str](), list(flags)
    while rest:
        flag, equals, text = rest.pop(0).partition("=")
        if flag not in names:
            others.append(f"{flag}{equals}{text}")
        else:
            value = text if equals else rest.pop(0)
    return value, others


def _existing(folder: Path, name: str, flag: str) -> Path:
    """Return the file of a config.

    Raises:
        ConfigError: The folder or the file does not exist.
    """
    if not folder.is_dir():
        raise ConfigError([f"{flag}: must be a folder, got {os.path.relpath(folder)}"])
    file = folder / (name if name.endswith(".yaml") else f"{name}.yaml")
    if not file.is_file() and flag == "--config-dir":
        # With --config-dir, the flag --config-name may also name one of our configs.
        file = config_folder() / file.name
    if not file.is_file():
        known = sorted(path.stem for path in folder.glob("*.yaml"))
        raise ConfigError(
            [
                f"--config-name: must be a YAML file in {os.path.relpath(folder)}, got {name}"
                f"{similar(name, known)}; there are: {listing(known) or 'none'}"
            ]
        )
    return file


def _content(file: Path) -> dict[Any, Any]:
    try:
        content = OmegaConf.to_container(OmegaConf.load(file))
    except (OSError, YAMLError, UnicodeDecodeError, OmegaConfBaseException) as error:
        text = " ".join(str(error).split())
        raise ConfigError([f"{os.path.relpath(file)}: must be valid YAML ({text})"]) from error
    if not isinstance(content, dict):
        raise ConfigError([f"{os.path.relpath(file)}: must be a mapping of keys"])
    return content


def _check_defaults(file: Path, content: dict[Any, Any]) -> None:
    """Check that the defaults list of a user's primary config contains our config or our schema."""
    entries = [entry for entry in content.get("defaults") or [] if isinstance(entry, str)]
    if not {OUR_NAME, f"/{OUR_NAME}", _SCHEMA, f"/{_SCHEMA}"} & set(entries):
        raise ConfigError(
            [
                f"{os.path.relpath(file)}: must begin with a defaults list that contains the entry "
                f"'{OUR_NAME}', e.g. defaults: [{OUR_NAME}, override job: mine, _self_]; the other "
                "keys of the file then change the default config"
            ]
        )


def _store_saved(content: dict[Any, Any], folder: Path) -> None:
    """Store the saved config of an earlier run, with our schema and our settings of Hydra.

    Args:
        content: The content of the file `config.yaml`.
        folder: The folder `.hydra` of the earlier run.
    """
    saved = OmegaConf.create(content)
    settings = OmegaConf.load(folder / _HYDRA_FILE)
    if isinstance(settings, DictConfig) and isinstance(saved, DictConfig):
        runtime = settings.hydra.runtime
        old, new = Path(runtime.output_dir), folder.parent.resolve()
        OmegaConf.set_readonly(settings, False)
        runtime.cwd = moved(runtime.cwd, old, new)
        for source in runtime.config_sources:
            source.path = moved(source.path, old, new)
        resolve_paths(saved, settings.hydra)
        follow_move(saved, old, new)
    ours = OmegaConf.to_container(OmegaConf.load(config_folder() / f"{OUR_NAME}.yaml"))
    own = ours if isinstance(ours, dict) else {}
    overridden = [
        entry
        for entry in own["defaults"]
        if isinstance(entry, dict) and next(iter(entry)).startswith("override ")
    ]
    node = {
        **OmegaConf.to_container(saved),  # type: ignore[dict-item]
        "defaults": [_SCHEMA, *overridden, "_self_"],
        "hydra": own["hydra"],
    }
    ConfigStore.instance().store(name=SAVED_NAME, node=node)
