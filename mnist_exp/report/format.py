"""Formatters that convert numbers, durations, names, paths and log text to readable text."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mnist_exp.metrics import MetricPoint

#: Codes for colours and cursor movements. `printable` deletes these codes.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.")
#: Other control characters, such as tabs. `printable` replaces these characters by a blank.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")


def number(value: Any) -> str:
    """Return a value as short text: floats with 4 significant digits, None as a dash.

    A mapping that was drawn from a search space is JSON text. The result for the text
    `{"kind": "a", "x": 0.79}` is `{kind=a x=0.79}`.
    """
    if value is None:
        return "-"
    if isinstance(value, str) and value.startswith("{") and (drawn := _mapping(value)):
        return f"{{{pairs(drawn)}}}"
    return f"{value:.4g}" if isinstance(value, float) else plain(str(value))


def pairs(values: Mapping[str, Any], separator: str = " ") -> str:
    """Return `name=value` for each entry, with short numbers."""
    return separator.join(f"{plain(name)}={number(value)}" for name, value in values.items())


def shortened(text: str, most: int) -> str:
    """Return text as one line of at most `most` characters."""
    text = plain(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def epochs_done(points: Sequence[MetricPoint], total: int | None) -> int:
    """Return the number of epochs that a job has run.

    The steps of the log events may be the numbers of the epochs, or may count batches. If the last
    step can be the number of an epoch, return the last step. Otherwise return the number of log
    events.

    Args:
        points: The log events of one metric.
        total: The number of epochs that the job will run; None if unknown.
    """
    count = len(points)
    last = points[-1].step if points else 0
    return last if total is not None and count < last <= total else count


def progress(events: int, total: int | None) -> str:
    """Return a text such as `3/20`; only the first number if the total is unknown or too low."""
    # The total is too low if a script logs more than once per epoch.
    return f"{events}/{total}" if total and events <= total else str(events)


def duration(seconds: float | None) -> str:
    """Return seconds as `8.3 s`, `2 min 05 s` or `1 h 02 min`."""
    if seconds is None:
        return "-"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def trial_label(trial: str, sweep: str) -> str:
    """Return a trial's name without the name of the sweep: `12` for trial `sweep_12`.

    For a record of `stage=all`, `sweep` is the name of this record, and not the name of the sweep.
    In this case, return the index at the end of the trial's name.
    """
    rest, _, index = trial.rpartition("_")
    if rest.startswith("sweep_") and index.isdigit() and not trial.startswith(f"{sweep}_"):
        return index
    return plain(trial.removeprefix(f"{sweep}_") or trial)


def plain(text: str) -> str:
    """Return a text as one line, without control codes and without blanks at both ends."""
    return printable(text).strip()


def printable(line: str) -> str:
    """Return a line without control codes. Keep the blanks at the start of the line."""
    return _CONTROLS.sub(" ", _ESCAPES.sub("", line)).rstrip()


def _mapping(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def relative(path: str) -> str:
    """Return a path relative to the current folder. A path outside this folder is unchanged."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
