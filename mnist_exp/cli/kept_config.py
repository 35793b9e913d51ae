"""Going on with a sweep or a run: its config is the one that it was begun with.

Whatever the command says besides is either what was said then, or one of the few things that may
change in between.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mnist_exp.cli.arguments import override_key
from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.experiment import Experiment
from mnist_exp.records import Record, RecordIndex
from mnist_exp.stages.earlier_records import CONFIG_NAME, unfinished_sweep, unfinished_training

#: What every command says for itself.
_OWN = ("stage", "run", "resume", "outputs_dir", "wait", "dry_run")
#: What a training that goes on may be given anew: how long it lasts, and on what it runs.
_COMPUTE = "compute"
_FREE = ("model.epochs", "job.timeout", "job.environment_variables", _COMPUTE)
_REFERENCE = re.compile(r"(\\*)\$\{")


class _Change(NamedTuple):
    """What an override would change: a dotted key, what was there and what would be."""

    override: str
    key: str
    then: Any
    now: Any


def with_kept_config(config: Experiment, overrides: Sequence[str]) -> Experiment:
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
    config: Experiment,
    overrides: Sequence[str],
    free: Sequence[str] = (),
) -> Experiment:
    then, now = _fixed(_read(folder / CONFIG_NAME)), _fixed(config)
    refused: dict[str, _Change] = {}
    for change in _changes(now, then, overrides):
        if not _is_among(change.key, free):
            refused.setdefault(change.override, change)
    if refused:
        may = f"; only {', '.join(free)} may change" if free else ""
        raise ConfigError(
            [
                f"{one.key}: {record.stage.value} {record.name} goes on with what it was begun "
                f"with, {json.dumps(one.then)}, got {json.dumps(one.now)} ({one.override}); leave "
                f"{override_key(one.override)} out, or leave run= and resume= out to begin another"
                f"{may}"
                for one in refused.values()
            ]
        )
    _take_over(now, then, overrides, free)
    own = {name: getattr(config, name) for name in _OWN}
    return replace(_config(then | own), run=record.name, resume=None)


def _take_over(now: Any, then: Any, overrides: Sequence[str], free: Sequence[str]) -> None:
    """Put what the overrides say of the free keys into the kept config, as it was composed now."""
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.key_or_group
        if not _is_among(key, free):
            continue
        if override.is_delete():
            _part(then, key).pop(key.rpartition(".")[2], None)
            continue
        value = override.value()
        # `{}` empties, anything else in braces adds; a group is chosen whole.
        if key != _COMPUTE and isinstance(value, Mapping) and value:
            keys = [f"{key}.{name}" for name in value]
        else:
            keys = [key]
        for one in keys:
            name = one.rpartition(".")[2]
            if name in _part(now, one):
                _part(then, one)[name] = _part(now, one)[name]
    # The inputs had taken their values from the config before it was kept.
    for name, source in then["job"]["sources"].items():
        if _is_among(source, free):
            then["job"]["inputs"][name] = _part(then, source)[source.rpartition(".")[2]]


def _part(content: Any, key: str) -> Any:
    """Return the mapping that holds a dotted key."""
    for name in key.split(".")[:-1]:
        content = content[name]
    return content


def _is_among(key: str, free: Sequence[str]) -> bool:
    return any(key == one or key.startswith(f"{one}.") for one in free)


def _fixed(config: Experiment) -> Any:
    """Return what a config says of the experiment, as the kept file has it."""
    return json.loads(
        json.dumps({key: value for key, value in config.content().items() if key not in _OWN})
    )


def _changes(now: Any, then: Any, overrides: Sequence[str]) -> Iterator[_Change]:
    """Yield what the overrides change, inputs that follow another key aside."""
    given = {override_key(text): text for text in overrides}
    # A group is chosen before its keys are set, and a profile (no key of the config) before all.
    chosen = [key for key in given if key.partition(".")[0] not in {*now, *_OWN, "hydra"}]
    followers = [set(one["job"].get("sources", ())) for one in (now, then)]
    derived = {("job", "inputs", name) for name in set.intersection(*followers)}
    for path, was, would_be in _differences(now, then):
        if path[:2] == ("job", "sources") or path in derived:
            continue
        prefixes = [".".join(path[:count]) for count in range(len(path), 0, -1)]
        by = next((one for one in (*prefixes, *chosen) if one in given), None)
        if by is None:
            continue
        # What was said then, and is not now, is no wish to take it away.
        if would_be is not None or by == ".".join(path) or given[by].endswith("{}"):
            yield _Change(given[by], ".".join(path), was, would_be)


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


def _read(path: Path) -> Experiment:
    try:
        return _config(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, OmegaConfBaseException) as error:
        said = str(error).partition("\n")[0]
        raise NotFoundError(
            f"run: the config that it was begun with cannot be read from {path} ({said}); leave "
            "run= and resume= out to begin another"
        ) from error


def _config(content: Any) -> Experiment:
    job = dict(content["job"])
    sources = job.pop("sources", {})
    schema = OmegaConf.structured(ExperimentConfig)
    merged = OmegaConf.merge(schema, _literal({**content, "job": job}))
    config = OmegaConf.to_object(merged)
    if not isinstance(config, ExperimentConfig):
        raise TypeError(f"no ExperimentConfig but a {type(config)}")
    return Experiment(**vars(config), sources=sources)


def _literal(content: Any) -> Any:
    """Return the content so that OmegaConf resolves nothing in it: that has been done."""
    if isinstance(content, Mapping):
        return {name: _literal(part) for name, part in content.items()}
    if isinstance(content, list):
        return [_literal(part) for part in content]
    return _REFERENCE.sub(r"\1\1\\${", content) if isinstance(content, str) else content
