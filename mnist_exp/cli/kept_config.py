"""The config of a command that resumes a job.

This config is the saved config of the job, changed by the permitted overrides. An override is
permitted if it sets the same value as the saved config, or if it sets a key that may change.
`mnist_exp.stages.resume` finds the job and defines the keys that may change. This module contains
the code that needs Hydra's parser or OmegaConf.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mnist_exp.cli.arguments import override_key
from mnist_exp.cli.config_paths import follow_move
from mnist_exp.config import COMMAND_KEYS, ExperimentConfig
from mnist_exp.errors import ConfigError, NotFoundError
from mnist_exp.experiment import Experiment
from mnist_exp.records import INVALID_JSON, RecordIndex
from mnist_exp.same_job import START_ANOTHER, Difference, differences
from mnist_exp.stages.resume import UnfinishedJob, unfinished_job
from mnist_exp.templates import escaped_text

#: A config group that is copied as a whole, because its keys depend on each other.
_WHOLE_GROUP = "compute"
#: The keys of a job file.
_OF_FILE = ("file", "set")


def with_kept_config(config: Experiment, overrides: Sequence[str]) -> Experiment:
    """Return the config of the job that the command resumes, or `config` for a new job.

    Args:
        config: The composed config.
        overrides: The command's overrides.

    Raises:
        NotFoundError: The job does not exist or has ended, or its config cannot be read.
        ConfigError: The overrides would change the job.
    """
    job = unfinished_job(config, RecordIndex(Path(config.outputs_dir)))
    if job is None or job.config_path is None:
        return config
    outputs = Path(config.outputs_dir).resolve()
    read = _read(job.config_path, outputs)
    kept, composed = _comparable(read), _comparable(config)
    if faults := _faults(job, kept, composed, overrides):
        raise ConfigError(faults)
    copied = _apply_permitted(kept, composed, overrides, job.may_change)
    interpolations = {
        key: text
        for experiment, is_new in ((read, False), (config, True))
        for key, text in experiment.interpolations.items()
        if _is_among(key, copied) is is_new
    }
    own = {name: getattr(config, name) for name in COMMAND_KEYS}
    return replace(
        _config(kept | own),
        run=job.record.name,
        resume=None,
        overrides=config.overrides,
        given=config.given,
        chosen=config.chosen,
        references=config.references,
        interpolations=interpolations,
    )


def _faults(job: UnfinishedJob, kept: Any, composed: Any, overrides: Sequence[str]) -> list[str]:
    """Return a line for each override that would change the job.

    If an override changes several keys, the line names the first changed key.
    """
    refused: dict[str, Difference] = {}
    for override, difference in _changes(kept, composed, overrides):
        # Only an override of the key itself can change a permitted key, not a job file.
        is_file = override_key(override).partition(".")[0] in _OF_FILE
        if is_file or not _is_among(difference.key, job.may_change):
            refused.setdefault(override, difference)
    may = f"; only {', '.join(job.may_change)} may change" if job.may_change else ""
    return [
        difference.message(
            f"{job}",
            f"remove the override {override}, or {START_ANOTHER}{may}",
        )
        for override, difference in refused.items()
    ]


def _changes(
    kept: Any, composed: Any, overrides: Sequence[str]
) -> Iterator[tuple[str, Difference]]:
    """Yield an override and a difference, for each difference that an override causes.

    If the value of a job input comes from a config key, only the config key is compared, not the
    job input.
    """
    given = {override_key(text): text for text in overrides}
    # A profile is not a key of the config. A profile chooses the options of several config groups,
    # and may therefore cause any difference.
    # The same applies to a job file.
    keys = {*composed, *COMMAND_KEYS, "hydra"} - set(_OF_FILE)
    chosen = [key for key in given if key.partition(".")[0] not in keys]
    followers = [set(config["job"].get("sources", ())) for config in (composed, kept)]
    derived = {("job", "inputs", name) for name in set.intersection(*followers)}
    for difference in differences(kept, composed):
        path = difference.path
        if path[:2] == ("job", "sources") or path in derived:
            continue
        prefixes = [".".join(path[:count]) for count in range(len(path), 0, -1)]
        cause = next((key for key in (*prefixes, *chosen) if key in given), None)
        if cause is None:
            continue
        # The first command may have had overrides that this command does not repeat. A key that
        # such an override added is missing from the composed config. Ignore this difference.
        removes = cause == difference.key or given[cause].endswith("{}")
        if difference.given is not None or removes:
            yield given[cause], difference


def _apply_permitted(
    kept: Any, composed: Any, overrides: Sequence[str], permitted: Sequence[str]
) -> list[str]:
    """Copy values from `composed` to `kept`, for each permitted key that an override sets.

    Returns:
        The keys whose values were copied or deleted.
    """
    copied = []
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.key_or_group
        if not _is_among(key, permitted):
            continue
        if override.is_delete():
            _parent(kept, key).pop(_name(key), None)
            copied.append(key)
            continue
        for changed in _keys_set(key, override.value()):
            if _name(changed) in _parent(composed, changed):
                _parent(kept, changed)[_name(changed)] = _parent(composed, changed)[_name(changed)]
                copied.append(changed)
    # The inputs in `kept` are values, not references. Update the inputs whose value comes from a
    # permitted key.
    for name, source in kept["job"]["sources"].items():
        if _is_among(source, permitted):
            kept["job"]["inputs"][name] = _parent(kept, source)[_name(source)]
    return copied


def _keys_set(key: str, value: Any) -> list[str]:
    """Return the keys that an override sets.

    If the value is a mapping, the override sets each entry of the mapping. If the value is the
    empty mapping `{}`, the override sets the key itself.
    """
    if key != _WHOLE_GROUP and isinstance(value, Mapping) and value:
        return [f"{key}.{name}" for name in value]
    return [key]


def _parent(content: Any, key: str) -> Any:
    """Return the mapping that contains the last part of a dotted key."""
    for name in key.split(".")[:-1]:
        content = content[name]
    return content


def _name(key: str) -> str:
    return key.rpartition(".")[2]


def _is_among(key: str, keys: Sequence[str]) -> bool:
    """Return whether a dotted key is in `keys`, or is below a key in `keys`."""
    return any(key == other or key.startswith(f"{other}.") for other in keys)


def _comparable(config: Experiment) -> Any:
    """Return the config in the format of the saved file, without the keys in `COMMAND_KEYS`.

    The saved file contains no environment variables of the deployment.
    """
    content = {key: value for key, value in config.content().items() if key not in COMMAND_KEYS}
    content["endpoint"]["deployment"]["environment_variables"] = {}
    return json.loads(json.dumps(content))


def _read(path: Path, outputs: Path) -> Experiment:
    """Return the saved config.

    Args:
        path: The file with the config.
        outputs: The current path of the outputs folder.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return _config(content, Path(content["outputs_dir"]), outputs)
    except (OSError, TypeError, KeyError, OmegaConfBaseException, *INVALID_JSON) as error:
        reason = str(error).partition("\n")[0]
        raise NotFoundError(
            f"run: the config of the job cannot be read from {path} ({reason}); {START_ANOTHER}"
        ) from error


def _config(content: Any, old: Path | None = None, new: Path | None = None) -> Experiment:
    """Convert a saved config to an experiment.

    Args:
        content: The saved config.
        old: The path of the outputs folder at the time when the config was saved.
        new: The current path of the outputs folder.
    """
    content = dict(content)
    interpolations = content.pop("interpolations", {})
    job = content["job"] = dict(content["job"])
    sources = job.pop("sources", {})
    schema = OmegaConf.structured(ExperimentConfig)
    escaped = OmegaConf.create(escaped_text(content))
    for key, written in interpolations.items():
        OmegaConf.update(escaped, key, written, force_add=True)
    merged = OmegaConf.merge(schema, escaped)
    if old is not None and new is not None and isinstance(merged, DictConfig):
        follow_move(merged, old, new)
    config = OmegaConf.to_object(merged)
    if not isinstance(config, ExperimentConfig):
        raise TypeError(f"must be an ExperimentConfig, got {type(config)}")
    return Experiment(**vars(config), sources=sources, interpolations=interpolations)
