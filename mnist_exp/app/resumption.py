"""Going on with a sweep or a run: its config is the one that it was begun with.

Whatever the command says besides is either what was said then, or one of the few things that may
change in between.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mnist_exp.app.arguments import override_key
from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.records import Record, RecordIndex
from mnist_exp.stages.lookup import CONFIG_NAME, unfinished_sweep, unfinished_training

__all__ = ["with_kept_config"]

#: What every command says for itself.
_OWN = ("stage", "run", "resume", "outputs_dir", "wait", "dry_run")
#: What a run that goes on may be given anew: how long it lasts, and on what it runs.
_FREE = ("model.epochs", "job.timeout", "job.environment_variables", "compute")


class _Change(NamedTuple):
    """What an override would change: a path of keys, what was there and what would be."""

    override: str
    path: tuple[str, ...]
    then: Any
    now: Any

    @property
    def key(self) -> str:
        """The path as it is typed."""
        return ".".join(self.path)


def with_kept_config(config: ExperimentConfig, overrides: Sequence[str]) -> ExperimentConfig:
    """Return the config of the sweep or run that the command goes on with, else its own.

    Args:
        config: What was composed.
        overrides: What the command was given.

    Raises:
        NotFoundError: There is no such sweep or run, or it has ended.
        ConfigError: The command wants to change it.
    """
    index = RecordIndex(Path(config.outputs_dir))
    named, last = config.run is not None, config.resume == "last"
    # Both at once, and any other text, are faults that the checks tell of.
    if config.stage is Stage.sweep and named != last:
        record, folder = unfinished_sweep(index, config.run)
        return _gone_on_with(record, folder, config, overrides)
    if config.stage is Stage.train and config.run is not None and config.resume is None:
        record, folder = unfinished_training(index, config.run)
        # An earlier version kept no config.
        if (folder / CONFIG_NAME).is_file():
            return _gone_on_with(record, folder, config, overrides, _FREE)
    return config


def _gone_on_with(
    record: Record,
    folder: Path,
    config: ExperimentConfig,
    overrides: Sequence[str],
    free: Sequence[str] = (),
) -> ExperimentConfig:
    kept = _read(folder / CONFIG_NAME)
    now, then = _fixed(config), _fixed(kept)
    # Whoever repeats what it was begun with changes nothing.
    changes = _changes(now, then, overrides)
    refused = {one.override: one for one in reversed(changes) if not _is_among(one.key, free)}
    if refused:
        raise ConfigError(
            [
                f"{one.key}: {record.stage.value} {record.name} goes on with what it was begun "
                f"with, {json.dumps(one.then)}, got {json.dumps(one.now)} ({one.override}); leave "
                f"{override_key(one.override)} out, or leave run= and resume= out to begin another"
                for one in reversed(refused.values())
            ]
        )
    # The inputs have taken their values from the config before it was kept.
    sources = {key: name for name, key in kept.job.sources.items()}
    for change in changes:
        _put(then, change.path, change.now)
        if change.key in sources:
            _put(then, ("job", "inputs", sources[change.key]), change.now)
    own = {name: getattr(config, name) for name in _OWN}
    return replace(_config(then | own), run=record.name, resume=None)


def _is_among(key: str, free: Sequence[str]) -> bool:
    return any(key == one or key.startswith(f"{one}.") for one in free)


def _fixed(config: ExperimentConfig) -> Any:
    """Return what a config says of the experiment, as the kept file has it."""
    return json.loads(
        json.dumps({key: value for key, value in asdict(config).items() if key not in _OWN})
    )


def _changes(now: Any, then: Any, overrides: Sequence[str]) -> list[_Change]:
    """Return what the overrides change."""
    given = {override_key(text): text for text in overrides}
    # A group is chosen before its keys are set, and a profile (no key of the config) before all.
    chosen = [key for key in given if key.partition(".")[0] not in {*now, *_OWN, "hydra"}]
    found = []
    for path, was, would_be in _differences(now, then):
        prefixes = [".".join(path[:count]) for count in range(len(path), 0, -1)]
        by = next((one for one in (*prefixes, *chosen) if one in given), None)
        if by is not None:
            found.append(_Change(given[by], path, was, would_be))
    return found


def _differences(
    now: Any, then: Any, where: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Yield where two configs differ, as deep as both have keys: the path, then, now."""
    if not (isinstance(now, Mapping) and isinstance(then, Mapping)):
        if now != then:
            yield where, then, now
        return
    for name in {**then, **now}:
        yield from _differences(now.get(name), then.get(name), (*where, name))


def _put(content: Any, path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        content = content[name]
    content[path[-1]] = value


def _read(path: Path) -> ExperimentConfig:
    try:
        return _config(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, OmegaConfBaseException) as error:
        raise NotFoundError(
            f"run: the config that it was begun with cannot be read from {path} ({error}); leave "
            "run= and resume= out to begin another"
        ) from error


def _config(content: Any) -> ExperimentConfig:
    merged = OmegaConf.merge(OmegaConf.structured(ExperimentConfig), content)
    config = OmegaConf.to_object(merged)
    if not isinstance(config, ExperimentConfig):
        raise TypeError(f"no ExperimentConfig but a {type(config)}")
    return config
