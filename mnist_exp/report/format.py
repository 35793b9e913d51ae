"""Numbers, durations, names and paths as people like to read them."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mnist_exp.metrics import MetricPoint

# Colours and cursor movements that a job printed; tabs and the like become blanks.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")


def number(value: Any) -> str:
    """Return a value in a few characters: floats with 4 significant digits, None as a dash.

    A mapping that was drawn, which is JSON text, is read `{kind=a x=0.79}`.
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
    """Return at most so many characters of one line."""
    text = plain(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def epochs_done(points: Sequence[MetricPoint], total: int | None) -> int:
    """Return how far a job is: its last step, where that can be an epoch, else its log events.

    Args:
        points: Of one metric.
        total: The epochs that the job is to run; None when nobody knows.
    """
    count = len(points)
    last = points[-1].step if points else 0
    return last if total is not None and count < last <= total else count


def progress(events: int, total: int | None) -> str:
    """Return `3/20`, or the log events alone where nobody knows how many there will be."""
    # A script may log more often than once an epoch.
    return f"{events}/{total}" if events <= (total or 0) else str(events)


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
    """Return what tells a trial from its siblings: `sweep_12` of the sweep `sweep` is `12`.

    A record of `stage=all` has a name of its own; its sweep's is the trial's, less the index.
    """
    rest, _, index = trial.rpartition("_")
    if rest.startswith("sweep_") and index.isdigit() and not trial.startswith(f"{sweep}_"):
        return index
    return plain(trial.removeprefix(f"{sweep}_") or trial)


def plain(text: str) -> str:
    """Return one line without control codes and blanks around it, whatever a job had to say."""
    return printable(text).strip()


def printable(line: str) -> str:
    """Return a line without control codes, indented as it was."""
    return _CONTROLS.sub(" ", _ESCAPES.sub("", line)).rstrip()


def _mapping(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def relative(path: str) -> str:
    """Return a path from the current folder, if it lies there; else (or for a URI) as it is."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
