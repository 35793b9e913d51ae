"""A command of the Python API, composed and checked as on the command line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from mnist_exp.cli.checked_config import checked_experiment
from mnist_exp.cli.compose import register_schemas, split
from mnist_exp.cli.composer import composer, isolated_hydra, search_folders
from mnist_exp.cli.config_paths import task_overrides
from mnist_exp.cli.display import RichDisplay
from mnist_exp.cli.hide_values import hide_values
from mnist_exp.cli.hydra_errors import is_foreign
from mnist_exp.cli.job_file import apply_job_file
from mnist_exp.cli.keyword_values import is_complete, keyword_overrides
from mnist_exp.cli.override_faults import all_faults, composable
from mnist_exp.cli.prepare import Prepared, command_flags, ready
from mnist_exp.cli.primary import PrimaryConfig, primary_config
from mnist_exp.cli.run_folders import RUN_DIR, SUBFOLDER, run_folders
from mnist_exp.errors import ConfigError, MnistExpError
from mnist_exp.experiment import Experiment
from mnist_exp.names import describe_path
from mnist_exp.records import write_text


@dataclass(frozen=True)
class ComposedCommand:
    """A command whose config is composed and checked. No file has been written.

    Attributes:
        experiment: The checked config.
        config: Hydra's composed config, with the `hydra` node. The values of environment variables
            are hidden.
        overrides: The overrides, with the values of environment variables.
        folders: The result of `run_folders`.
    """

    experiment: Experiment
    config: DictConfig
    overrides: Sequence[str]
    folders: dict[str, Path]

    def prepare(self, display: RichDisplay) -> Prepared:
        """Check the stage. Then create the run folder with Hydra's files, if the stage has one."""
        flags = command_flags(self.config.hydra)
        found = ready(self.experiment, self.folders[RUN_DIR], flags, display)
        prepared = found.checked(self.folders)
        if prepared.runner.is_recorded and SUBFOLDER in self.folders:
            task, hydra_config = split(self.config)
            parts = {
                "config": task,
                "hydra": OmegaConf.create({"hydra": hydra_config}),
                "overrides": hydra_config.overrides.task,
            }
            for name, part in parts.items():
                write_text(self.folders[SUBFOLDER] / f"{name}.yaml", OmegaConf.to_yaml(part))
        return prepared


def composed_command(
    overrides: Sequence[str], values: Mapping[str, object], config_dir: Path | None
) -> ComposedCommand:
    """Compose and check the config of a command. Write no file.

    Args:
        overrides: The overrides, as on the command line.
        values: Key, or last part of a key -> value. These values override `overrides`.
        config_dir: The folder that `--config-dir` would name, or None.

    Raises:
        ConfigError: The config has faults. The error contains all faults.
    """
    if config_dir is not None and not config_dir.is_dir():
        is_what = describe_path(str(config_dir))
        raise ConfigError([f"config_dir: must be a folder, got {config_dir}, which {is_what}"])
    with isolated_hydra():
        register_schemas()
        primary = primary_config(
            [] if config_dir is None else ["--config-dir", str(config_dir)], ()
        )
        plain_keys = [] if is_complete(values) else _plain_keys(primary, overrides)
        texts, faults = keyword_overrides(values, plain_keys)
        composed, experiment = _checked(primary, [*overrides, *texts], faults)
        given, folders = task_overrides(composed.hydra), run_folders(composed.hydra)
    hide_values(composed)
    return ComposedCommand(experiment, composed, given, folders)


def _checked(
    primary: PrimaryConfig, overrides: Sequence[str], faults: Sequence[str]
) -> tuple[DictConfig, Experiment]:
    """Compose and check a config. Return Hydra's config and the experiment.

    Args:
        primary: The command's primary config.
        overrides: The overrides, without keyword values that have a fault.
        faults: The lines of the faults of keyword values.

    Raises:
        ConfigError: The config or a keyword value has a fault.
    """
    try:
        composed = _compose(primary, overrides)
        job_file = apply_job_file(composed, composed.hydra)
        experiment = checked_experiment(*split(composed), job_file)
    except MnistExpError as error:
        if not faults:
            raise
        raise ConfigError([*faults, *error.lines]) from error
    if faults:
        raise ConfigError(faults)
    return composed, experiment


def _compose(primary: PrimaryConfig, overrides: Sequence[str]) -> DictConfig:
    """Return the config that Hydra composes, with the same `hydra` node as on the command line.

    Raises:
        ConfigError: Hydra cannot compose the config.
    """
    try:
        with composer(primary, search_folders(primary) or []) as compose_with:
            composed = compose_with([*overrides, "hydra.mode=RUN"])
    except Exception as error:
        if not is_foreign(error):
            raise
        raise ConfigError(all_faults(error, primary, overrides)) from error
    with read_write(composed.hydra), open_dict(composed.hydra):
        composed.hydra.searchpath = []
        given = composed.hydra.overrides
        given.hydra = [text for text in given.hydra if not text.startswith("hydra.searchpath=")]
        for source in composed.hydra.runtime.config_sources:
            if source.provider == "hydra.searchpath in command-line":
                source.provider = "command-line"
    return composed


def _plain_keys(primary: PrimaryConfig, overrides: Sequence[str]) -> list[str]:
    """Return the dotted keys of the composed config whose value is plain."""
    try:
        composed = _compose(primary, overrides)
    except ConfigError:
        composed = _compose(primary, composable(primary, overrides))
    task, _ = split(composed)
    return list(_plain_below("", OmegaConf.to_container(task, resolve=False)))


def _plain_below(key: str, content: Any) -> Iterator[str]:
    """Yield the dotted keys whose value is plain: no mapping, and no reference to another key.

    The default of `max_concurrent_trials` is a call of a resolver, and counts as plain.
    """
    if not isinstance(content, dict) or not content:
        text = str(content)
        if not text.startswith("${") or text.startswith("${concurrent_trials:"):
            yield key
        return
    for name, part in content.items():
        yield from _plain_below(f"{key}.{name}" if key else str(name), part)
