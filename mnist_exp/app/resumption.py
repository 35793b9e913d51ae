"""Going on with a sweep: its config is the one that it was made with, whatever is typed now."""

import json
from collections.abc import Iterator, Mapping, Sequence
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
    if changes := _changes(_fixed(config), _fixed(kept), overrides):
        raise ConfigError(
            [
                f"{key}: sweep {record.name} goes on with what it was made with, {then}, got {now} "
                f"({text}); leave {override_key(text)} out, or leave run= and resume= out to begin "
                "another"
                for text, (key, then, now) in changes.items()
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


def _changes(now: Any, then: Any, overrides: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    """Return the first thing that each override changes: its key, what it was, what it would be."""
    given = {override_key(text): text for text in overrides}
    # A group is chosen before its keys are set, and a profile (no key of the config) before all.
    chosen = [key for key in given if key.partition(".")[0] not in {*now, *_ALLOWED, "hydra"}]
    found: dict[str, tuple[str, str, str]] = {}
    for key, was, would_be in _differences(now, then):
        parts = key.split(".")
        prefixes = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
        by = next((one for one in (*prefixes, *chosen) if one in given), None)
        if by is not None:
            found.setdefault(given[by], (key, json.dumps(was), json.dumps(would_be)))
    return found


def _differences(now: Any, then: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield where two configs differ, as deep as both have keys: the key, then, now."""
    if not (isinstance(now, Mapping) and isinstance(then, Mapping)):
        if now != then:
            yield where, then, now
        return
    for name in {**then, **now}:
        yield from _differences(now.get(name), then.get(name), f"{where}.{name}".lstrip("."))


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
