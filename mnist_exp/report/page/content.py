"""The data of report.html, as JSON values: trials, curves, times and facts of a run."""

import json
import math
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mnist_exp.config import COMMAND_KEYS
from mnist_exp.records import Record
from mnist_exp.report.advice import PLACE, Repeated, job_commands, next_command
from mnist_exp.report.page.curves import short, thinned
from mnist_exp.report.page.files import NO_FILES, RunFiles
from mnist_exp.sweeps.journal import Created, Ended, Entry, Logged, Resumed, Started, event_text
from mnist_exp.templates import hydra_string

#: Maximum number of decisions and other events that the page lists.
_MAX_EVENTS = 2000


def page_content(record: Record, files: RunFiles = NO_FILES) -> dict[str, Any]:
    """Return the data that the script of the page reads.

    Args:
        record: The record of a training run or a sweep.
        files: What the files beside the record contain.
    """
    journal = files.journal
    sweep = next((entry.sweep for entry in journal if isinstance(entry, Created)), {})
    goal = record.goal or str((sweep.get("objective") or {}).get("goal", "")).lower()
    content = {
        "stage": record.stage.value,
        "noun": "trial",
        "name": record.name,
        "status": record.status.value,
        "is_running": not record.status.is_finished,
        "why": record.why,
        "metric": record.primary_metric,
        "goal": goal,
        "best": record.best,
        "metrics": record.metrics,
        "parameters": record.parameters,
        "insights": record.insights,
        "trials": _trials(record, files, goal),
        "seeds": [],
        "scales": _scales(sweep),
        "curves": {} if record.trials else files.curves,
        "commands": _commands(record),
        "facts": facts(record, files.data),
        "warnings": list(record.warnings),
        "log_tail": list(record.log_tail),
        "journal": _events(journal),
    }
    return dict(finite(content))


def _trials(record: Record, files: RunFiles, goal: str) -> list[dict[str, Any]]:
    curves, spans = _curves(files.journal, record.primary_metric), _spans(files.journal)
    trials = []
    for trial in record.trials:
        index, cut, name = _index(trial), trial.get("cut"), str(trial.get("name"))
        curve = curves.get(index) or files.curves.get(name, ())
        trials.append(
            {
                **trial,
                "index": index,
                "cut": cut,
                "curve": thinned(curve, goal, cut),
                "span": spans.get(index),
                "log_tail": files.log_tails.get(name, ()),
                "command": train_command(record, trial.get("parameters", {})),
            }
        )
    return trials


def _scales(sweep: Mapping[str, Any]) -> dict[str, str]:
    """Return parameter -> the scale on which the sweep draws values evenly.

    The scale is `category`, `log` or `linear`.
    """
    types = {name: str(each.get("type")) for name, each in sweep.get("search_space", {}).items()}
    return {
        name: "category" if kind == "choice" else "log" if "log" in kind else "linear"
        for name, kind in types.items()
    }


def _commands(record: Record) -> dict[str, str]:
    """Return stage -> command: the next stage, or the stages for a job that has not ended."""
    kept = [text for text in record.overrides if re.split("[.=]", text)[0] in PLACE]
    repeated = Repeated(kept, record.flags)
    following = next_command(record, repeated)
    return {"next": following} if following else dict(job_commands(record, repeated))


def _index(trial: Mapping[str, Any]) -> int:
    """Return the number at the end of a trial's name; -1 if there is none."""
    end = str(trial.get("name", "")).rpartition("_")[2]
    return int(end) if end.isdecimal() else -1


def _curves(journal: Iterable[Entry], metric: str) -> dict[int, list[tuple[int, float]]]:
    """Return the interval and the value of each logged value of the primary metric."""
    curves: dict[int, list[tuple[int, float]]] = {}
    for entry in journal:
        if isinstance(entry, Resumed):
            for trial in entry.again:
                curves.pop(trial, None)
        elif isinstance(entry, Logged) and entry.point.name == metric:
            curve = curves.setdefault(entry.point.trial, [])
            curve.append((len(curve) + 1, short(entry.point.value)))
    return curves


def _spans(journal: Sequence[Entry]) -> dict[int, list[float]]:
    """Return the start and the end of each trial, in seconds after the start of the sweep."""
    spans: dict[int, list[float]] = {}
    for entry in journal:
        seconds = round(entry.at - journal[0].at, 3)
        if isinstance(entry, Started):
            spans[entry.trial] = [seconds, seconds]
        elif isinstance(entry, Ended) and entry.trial in spans:
            spans[entry.trial][1] = seconds
    return spans


def _events(journal: Sequence[Entry]) -> list[tuple[float, str]]:
    found = []
    for entry in journal:
        if text := event_text(entry):
            found.append((round(entry.at - journal[0].at, 3), text))
    return found[-_MAX_EVENTS:]


def train_command(record: Record, parameters: Mapping[str, Any]) -> str:
    """Return the command that trains once with the given inputs of the job.

    The command repeats the flags and the overrides of the run, without the overrides that a
    training run of its own does not need, e.g. `stage=sweep` and `sweep=quick`.
    """
    repeated = [text for text in record.overrides if not _is_omitted(text)]
    inputs = [f"++job.inputs.{name}={_override_value(value)}" for name, value in parameters.items()]
    return shlex.join(["mnist-exp", *record.flags, "stage=train", *repeated, *inputs])


def _is_omitted(override: str) -> bool:
    key = re.split("[.=@]", override.lstrip("+~"))[0]
    return key == "sweep" or key in COMMAND_KEYS


def _override_value(value: Any) -> str:
    return hydra_string(value) if isinstance(value, str) else json.dumps(value)


def facts(record: Record, data: str = "") -> list[tuple[str, str]]:
    """Return the config and the circumstances of the run, as names and texts."""
    found = [
        ("flags", shlex.join(record.flags)),
        ("overrides", shlex.join(record.overrides)),
        ("started", record.started),
        ("duration", "" if record.duration_s is None else f"{record.duration_s} s"),
        ("workspace", record.workspace),
        ("experiment", record.experiment_name),
        ("data", data),
        ("seed", "" if record.seed is None else str(record.seed)),
        ("commit", record.git_commit or ""),
        *record.versions.items(),
    ]
    return [(name, text) for name, text in found if text]


def finite(value: Any) -> Any:
    """Return JSON values in which null stands for NaN and infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
