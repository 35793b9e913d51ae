"""Hide the values of environment variables in the files that Hydra writes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from mnist_exp.cli.config_paths import task_overrides
from mnist_exp.hidden_values import VARIABLES, HiddenValues, shown_value

#: The files that Hydra writes for each run.
_FILES = ("config.yaml", "hydra.yaml", "overrides.yaml")


def hidden_values(composed: DictConfig) -> HiddenValues:
    """Return the values of a config that must not be shown."""
    found = {}
    for mapping in VARIABLES:
        node = OmegaConf.select(composed, mapping, throw_on_missing=False)
        for name, written in _written(node).items():
            try:
                found[name] = written, str(OmegaConf.select(node, name) or "")
            except OmegaConfBaseException:
                # The interpolation has no value. Another part of the command reports this fault.
                continue
    return HiddenValues.of(found)


def hide_values(config: DictConfig, hidden: HiddenValues) -> None:
    """Hide the values in a composed config, and in the overrides that its `hydra` node contains."""
    with read_write(config), open_dict(config):
        for mapping in VARIABLES:
            node = OmegaConf.select(config, mapping, throw_on_missing=False)
            for name, written in _written(node).items():
                node[name] = shown_value(name, written)
        if "hydra" in config:
            overrides = task_overrides(config.hydra)
            config.hydra.overrides.task = [hidden.override(text) for text in overrides]
            names = _written(config.hydra.job).get("override_dirname", "???").split(",")
            config.hydra.job.override_dirname = ",".join(map(hidden.override, names))


def hide_values_of_variant(folder: Path, multirun: Path, hidden: HiddenValues) -> None:
    """Hide the values in the files that Hydra has written for a variant of a multirun.

    Args:
        folder: The folder with the config of the variant.
        multirun: The file with the config of the multirun.
        hidden: The values.
    """
    for path in (*(folder / name for name in _FILES), multirun):
        if not path.is_file():
            continue
        content = OmegaConf.load(path)
        if isinstance(content, DictConfig):
            hide_values(content, hidden)
        elif isinstance(content, ListConfig):
            overrides: Any = OmegaConf.to_container(content, resolve=False)
            content = OmegaConf.create([hidden.override(str(text)) for text in overrides])
        path.write_text(OmegaConf.to_yaml(content), encoding="utf-8")


def _written(node: object) -> Mapping[str, str]:
    """Return the variables of a mapping as written, without null and without other types."""
    found = OmegaConf.to_container(node, resolve=False) if isinstance(node, DictConfig) else {}
    pairs = found.items() if isinstance(found, dict) else ()
    return {str(name): value for name, value in pairs if isinstance(value, str)}
