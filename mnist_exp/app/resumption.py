"""Going on with a sweep: its config is the one that it was made with, whatever is typed now."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mnist_exp.app.arguments import override_key
from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.records import RecordIndex
from mnist_exp.stages.lookup import CONFIG_NAME, unfinished_sweep

__all__ = ["with_kept_config"]

#: What a command that goes on with a sweep may say.
_ALLOWED = ("stage", "run", "resume", "outputs_dir", "wait", "dry_run")


def with_kept_config(config: ExperimentConfig, overrides: Sequence[str]) -> ExperimentConfig:
    """Return the config of the sweep that the command goes on with; else the config as it is.

    Args:
        config: What was composed.
        overrides: What the command was given.

    Raises:
        NotFoundError: There is no such sweep, or it has ended.
        ConfigError: The command wants to change it.
    """
    named, last = config.run is not None, config.resume == "last"
    # Both at once, and any other text, are faults that the checks tell of.
    if config.stage is not Stage.sweep or named == last:
        return config
    record, folder = unfinished_sweep(RecordIndex(Path(config.outputs_dir)), config.run)
    kept = _read(folder / CONFIG_NAME)
    # Whoever repeats what the sweep was begun with changes nothing.
    now, then = _fixed(config), _fixed(kept)
    changes = [
        text
        for text in overrides
        if (key := override_key(text)) not in _ALLOWED and _at(now, key) != _at(then, key)
    ]
    if changes:
        raise ConfigError(
            [
                f"{override_key(text)}: sweep {record.name} goes on with the config that it was "
                f"made with, got {text}; leave it out, or leave run= and resume= out to begin "
                "another"
                for text in changes
            ]
        )
    return replace(
        kept,
        stage=Stage.sweep,
        run=record.name,
        resume=None,
        outputs_dir=config.outputs_dir,
        wait=config.wait,
        dry_run=config.dry_run,
    )


def _fixed(config: ExperimentConfig) -> Any:
    """Return what a command that goes on with a sweep may not change, as the kept file has it."""
    return json.loads(
        json.dumps({key: value for key, value in asdict(config).items() if key not in _ALLOWED})
    )


def _at(content: Any, key: str) -> Any:
    """Return what stands at a dotted key, or as near to it as the config goes."""
    for name in key.split("."):
        if not isinstance(content, Mapping) or name not in content:
            break
        content = content[name]
    return content


def _read(path: Path) -> ExperimentConfig:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        merged = OmegaConf.merge(OmegaConf.structured(ExperimentConfig), content)
        config = OmegaConf.to_object(merged)
    except (OSError, ValueError, OmegaConfBaseException) as error:
        raise NotFoundError(
            f"run: the sweep's config cannot be read from {path} ({error}); begin another sweep"
        ) from error
    if not isinstance(config, ExperimentConfig):
        raise TypeError(f"{path} gives no ExperimentConfig but a {type(config)}")
    return config
