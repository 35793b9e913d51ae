"""The reading of a job file: its kind, its config groups and its faults."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_exp.azure_files.document import Document, load_document
from mnist_exp.azure_files.environment import read_environment
from mnist_exp.azure_files.fields import (
    IGNORED,
    JOB_KEYS,
    TRIAL_KEYS,
    ignored_fields,
    read_compute,
    read_identity,
    read_inputs_and_outputs,
    read_names,
    read_trial,
)
from mnist_exp.azure_files.section import Section
from mnist_exp.azure_form.jobs import KEYS_TAG
from mnist_exp.config import Stage
from mnist_exp.errors import ConfigError

_OF_JOB = ("$schema", "type", "compute", "identity", "limits", "resources", *IGNORED)
_OF_TRIAL = (*TRIAL_KEYS.values(), "resources", "queue_settings")
_OF_SWEEP = ("sampling_algorithm", "search_space", "objective", "early_termination", "limits")
#: Field -> the config group that can replace the field.
_GROUP_OF = {"environment": "env", "compute": "compute"}
_COMMON = ("experiment_name", "display_name", "description", "tags", "inputs", "outputs")


@dataclass(frozen=True)
class JobFile:
    """A job file without faults.

    Attributes:
        document: The document.
        stage: The stage that runs the job: `train` for a command job, `sweep` for a sweep.
        groups: Config group -> its content: `job`, `env`, `compute`, and `sweep` for a sweep.
        keys: Config key -> the field that its value comes from.
        ignored: The fields that have no effect.
        ignored_here: The fields that have no effect on this machine.
    """

    document: Document
    stage: Stage
    groups: Mapping[str, Mapping[str, Any]]
    keys: Mapping[str, str]
    ignored: tuple[str, ...] = ()
    ignored_here: tuple[str, ...] = ()

    def placed(self, line: str) -> str:
        """Return a message about a config key as a message about the file.

        A message about a config key that does not come from the file stays the same.
        """
        key, colon, rest = line.partition(": ")
        owner = key
        while owner and owner not in self.keys:
            owner = owner.rpartition(".")[0]
        if not owner or not colon:
            return line
        names = (self.keys[owner] + key.removeprefix(owner)).split(".")
        return f"{self.document.where(tuple(names))}: {rest}"


def read_job_file(
    path: Path,
    changes: Mapping[str, Any],
    current: Path,
    others: Collection[str] = (),
) -> JobFile:
    """Read a job file.

    Args:
        path: The absolute path of the file.
        changes: The `set.` keys of the command line, as nested mappings.
        current: The current folder, which relative paths in `changes` refer to.
        others: The config groups of `env` and `compute` that do not come from the file.

    Raises:
        ConfigError: The file has faults. The error contains all faults.
    """
    document = load_document(path, changes, current)
    section = Section(document, (), document.content, [])
    is_sweep = _kind(section) == "sweep"
    trial = section.below("trial") if is_sweep else section
    keys = dict(JOB_KEYS)
    keys |= {name: f"trial.{of}" if is_sweep else of for name, of in TRIAL_KEYS.items()}
    _check_names(section, trial, is_sweep)
    sweep = _read_sweep(section) if is_sweep else {}
    resources = _resources(section, trial)
    job = {
        **read_names(section, _experiment(current)),
        **read_trial(trial, _dotted_keys(document)),
        **read_inputs_and_outputs(section),
        "identity": read_identity(section),
        "primary_metric": None,
    }
    job["tags"].pop(KEYS_TAG, None)
    groups: dict[str, Mapping[str, Any]] = {"job": job}
    if is_sweep:
        groups["sweep"] = sweep
        keys |= {f"sweep.{name}": name for name in _OF_SWEEP}
        job["primary_metric"] = (sweep.get("objective") or {}).get("primary_metric")
    else:
        limits = section.below("limits")
        limits.check_names(("timeout",), "the limits of a command job")
        job["timeout"] = limits.whole_number("timeout")
    if "env" not in others:
        groups["env"] = read_environment(trial)
    if "compute" not in others:
        groups["compute"] = read_compute(section, resources)
    _check_placeholders(section, groups)
    ignored = tuple(ignored_fields(section, resources))
    if section.faults:
        raise ConfigError(list(dict.fromkeys(section.faults)))
    here = [name for name in ("compute", "identity") if section.get(name) is not None]
    return JobFile(
        document,
        Stage.sweep if is_sweep else Stage.train,
        groups,
        keys,
        ignored,
        tuple(here),
    )


def _kind(section: Section) -> str:
    """Return `command` or `sweep`.

    Raises:
        ConfigError: The file has another kind.
    """
    schema = str(section.get("$schema") or "").rpartition("/")[2].partition(".")[0]
    kind = str(section.get("type") or schema.removesuffix("Job") or "command").lower()
    if schema.endswith("Component"):
        kind = f"{kind} component"
    if section.get("type") is None and "jobs" in section.content:
        kind = "pipeline"
    if kind not in ("command", "sweep"):
        section.fault(
            f"must be command or sweep, the kinds that mnist-exp runs, got {kind}", "type"
        )
        raise ConfigError(section.faults)
    return kind


def _check_names(section: Section, trial: Section, is_sweep: bool) -> None:
    if not is_sweep:
        section.check_names((*_OF_JOB, *_COMMON, *_OF_TRIAL), "a command job")
        return
    section.check_names((*_OF_JOB, *_COMMON, "trial", *_OF_SWEEP), "a sweep")
    trial.check_names(_OF_TRIAL, "the trial of a sweep")


def _read_sweep(section: Section) -> dict[str, Any]:
    """Return the content of the config group `sweep`. `mnist_exp.sweeps` checks the values."""
    keys = _dotted_keys(section.document)
    space = section.below("search_space").content
    limits = section.below("limits").content
    return {
        "sampling_algorithm": section.get("sampling_algorithm") or "random",
        "search_space": {keys.get(str(name), str(name)): part for name, part in space.items()},
        "objective": dict(section.below("objective").content),
        "early_termination": dict(section.below("early_termination").content),
        "limits": dict(limits),
    }


def _dotted_keys(document: Document) -> dict[str, str]:
    """Return name on Azure ML -> dotted key, from the tag that `azure_form` writes."""
    tags = document.content.get("tags")
    text = tags.get(KEYS_TAG) if isinstance(tags, Mapping) else None
    return dict(json.loads(text)) if isinstance(text, str) else {}


def _resources(section: Section, trial: Section) -> Section:
    """Return the resources of a job. A sweep can have them in its own fields or in `trial`."""
    return (trial if trial.get("resources") is not None else section).below("resources")


def _experiment(current: Path) -> str:
    """Return Azure ML's default name of an experiment: the name of the current folder."""
    name = re.sub(r"[^\w.-]", "_", current.name, flags=re.ASCII).lstrip("_.-")
    return name or "Default"


def _check_placeholders(section: Section, groups: Collection[str]) -> None:
    """Note a fault for each value that the author of the file wants to be replaced."""
    unused = {name for name, group in _GROUP_OF.items() if group not in groups}
    for key, text in section.document.placeholders(section.content):
        if not unused & {*key} and "command" not in key:
            dotted = ".".join(key)
            section.fault(f"is a placeholder, {text}; give a value with set.{dotted}=VALUE", *key)
