"""The use of a job file in the place of the config groups job, sweep, env and compute.

What the command line sets has priority over the file, e.g. `env=local` or `job.timeout=60`. The
file has priority over the defaults in `conf/`.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, flag_override
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from mnist_exp.azure_files import JobFile, read_job_file
from mnist_exp.cli.arguments import override_key
from mnist_exp.cli.compose import repeat_override
from mnist_exp.cli.config_paths import task_overrides
from mnist_exp.cli.schema_keys import describe, explain_key, type_at
from mnist_exp.config import Stage
from mnist_exp.errors import ConfigError
from mnist_exp.templates import escaped_text

#: The stages that use a job file. stage=doctor checks the file, stage=import converts the file.
_IMPORT = Stage("import")
_STAGES = (Stage.run, _IMPORT, Stage.train, Stage.sweep, Stage.doctor)
#: The config groups that a command can choose in place of the file's environment and compute.
_REPLACEABLE = ("env", "compute")


def apply_job_file(composed: DictConfig, hydra_config: DictConfig) -> JobFile | None:
    """Replace config groups by the content of the job file, and `stage=run` by the file's stage.

    Args:
        composed: The composed config, with or without the `hydra` node. The function changes it.
        hydra_config: The `hydra` node.

    Returns:
        The job file; None if the stage uses no job file.

    Raises:
        ConfigError: The file has faults, or cannot be combined with an override.
    """
    # `get` returns None for a key that is missing, or that an override has deleted.
    stage = composed.get("stage")
    if composed.get("file") is None or stage not in _STAGES:
        if stage in (Stage.run, _IMPORT):
            raise ConfigError([f"file: must name the job file of stage={stage}; add file=job.yml"])
        return None
    overrides = task_overrides(hydra_config)
    given = {override_key(override) for override in overrides}
    current = Path(hydra_config.runtime.cwd)
    # Do not use Path.expanduser(), which raises an error for an unknown user.
    path = Path(os.path.normpath(current / os.path.expanduser(composed.file)))  # noqa: PTH111
    changes: Any = OmegaConf.to_container(composed.get("set") or DictConfig({}), resolve=True)
    others = [group for group in _REPLACEABLE if group in given]
    job_file = read_job_file(path, changes, current, others)
    if faults := list(_contradictions(stage, job_file, given)):
        raise ConfigError(faults)
    if stage is _IMPORT:
        return job_file
    with flag_override(composed, ["struct", "readonly"], False):
        for group, content in job_file.groups.items():
            _replace(composed, group, content, job_file)
            _repeat_overrides(composed, overrides, group)
        if stage is Stage.train and job_file.stage is Stage.sweep:
            # The values of the parameters come from the inputs of the job.
            composed.job.command = composed.job.command.replace("{{search_space.", "{{inputs.")
        composed.stage = job_file.stage if stage is Stage.run else stage
        composed.file, composed.set = None, {}
    return job_file


def _contradictions(stage: Stage, job_file: JobFile, given: set[str]) -> Iterator[str]:
    for group in sorted({"job", "sweep"} & given):
        yield (
            f"{group}: must not be chosen together with file=, because the file is the job; remove "
            f"{group}=, or change a value of the file with set.KEY=VALUE"
        )
    if stage is Stage.sweep and job_file.stage is Stage.train:
        yield (
            f"file: must be a sweep for stage=sweep, got {job_file.document.path}, which is a "
            "command job; use stage=run"
        )


def _replace(
    composed: DictConfig, group: str, content: Mapping[str, Any], job_file: JobFile
) -> None:
    """Replace a config group.

    Raises:
        ConfigError: Values have a wrong type, or keys are not in the schema.
    """
    node, faults = OmegaConf.structured(type_at(group)), []
    for name, value in content.items():
        try:
            node = OmegaConf.merge(node, {name: escaped_text(value)})
        except OmegaConfBaseException as error:
            key = f"{group}.{error.full_key}"
            wrong = OmegaConf.select(OmegaConf.create({group: escaped_text(content)}), key)
            text = (
                explain_key(key)
                if isinstance(error, ConfigKeyError)
                else f"{key}: must be {describe(type_at(key))}, got {wrong}"
            )
            faults.append(job_file.placed(text))
    if faults:
        raise ConfigError(faults)
    composed[group] = node


def _repeat_overrides(composed: DictConfig, overrides: Sequence[str], group: str) -> None:
    """Apply the overrides of the keys below a config group again."""
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        if override.key_or_group.startswith(f"{group}."):
            repeat_override(composed, override, override.key_or_group)
