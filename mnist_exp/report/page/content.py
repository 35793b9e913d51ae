"""The data of report.html, as JSON values: trials, curves, times and facts of a run."""

import json
import math
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mnist_exp.config import COMMAND_KEYS
from mnist_exp.records import Record
from mnist_exp.sweeps.journal import Created, Ended, Entry, Logged, Resumed, Started, event_text
from mnist_exp.templates import hydra_string

#: Maximum number of points of a curve. Larger numbers make the page large and slow.
MAX_POINTS = 100
#: Maximum number of decisions and other events that the page lists.
_MAX_EVENTS = 2000


def page_content(record: Record, journal: Sequence[Entry] = ()) -> dict[str, Any]:
    """Return the data that the script of the page reads.

    Args:
        record: The record of a training run or a sweep.
        journal: The entries of the sweep's journal; empty if there is no journal.
    """
    sweep = next((entry.sweep for entry in journal if isinstance(entry, Created)), {})
    goal = record.goal or str((sweep.get("objective") or {}).get("goal", "")).lower()
    curves, spans = _curves(journal, record.primary_metric), _spans(journal)
    trials = []
    for trial in record.trials:
        index, cut = _index(trial), trial.get("cut")
        trials.append(
            {
                **trial,
                "index": index,
                "cut": cut,
                "curve": thinned(curves.get(index, []), goal, cut),
                "span": spans.get(index),
                "command": train_command(record, trial.get("parameters", {})),
            }
        )
    content = {
        "stage": record.stage.value,
        "name": record.name,
        "status": record.status.value,
        "why": record.why,
        "metric": record.primary_metric,
        "goal": goal,
        "best": record.best,
        "metrics": record.metrics,
        "parameters": record.parameters,
        "insights": record.insights,
        "trials": trials,
        "facts": _facts(record),
        "warnings": list(record.warnings),
        "log_tail": list(record.log_tail),
        "journal": _events(journal),
    }
    return dict(_finite(content))


def thinned(
    points: Sequence[tuple[int, float]], goal: str = "", cut: int | None = None
) -> list[tuple[int, float]]:
    """Return at most `MAX_POINTS` points: the first, best, cut and last point are among them.

    Args:
        points: Interval and value of each point.
        goal: `minimize` or `maximize`; empty if unknown.
        cut: The interval at which the trial was cut; None if it was not cut.
    """
    if len(points) <= MAX_POINTS:
        return list(points)
    finite = [index for index, (_, value) in enumerate(points) if math.isfinite(value)]
    best = (min if goal == "minimize" else max)(
        finite, key=lambda index: points[index][1], default=0
    )
    kept = {0, best, len(points) - 1}
    kept |= {index for index, (interval, _) in enumerate(points) if interval == cut}
    room = MAX_POINTS - len(kept)
    kept |= {index * len(points) // room for index in range(room)}
    return [points[index] for index in sorted(kept)]


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
            # Six digits are enough for a chart, and make the page smaller.
            curve.append((len(curve) + 1, float(f"{entry.point.value:.6g}")))
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


def _facts(record: Record) -> list[tuple[str, str]]:
    """Return the config and the circumstances of the run, as names and texts."""
    facts = [
        ("flags", shlex.join(record.flags)),
        ("overrides", shlex.join(record.overrides)),
        ("started", record.started),
        ("duration", "" if record.duration_s is None else f"{record.duration_s} s"),
        ("workspace", record.workspace),
        ("experiment", record.experiment_name),
        ("seed", "" if record.seed is None else str(record.seed)),
        ("commit", record.git_commit or ""),
        *record.versions.items(),
    ]
    return [(name, text) for name, text in facts if text]


def _finite(value: Any) -> Any:
    """Return JSON values in which null stands for NaN and infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
