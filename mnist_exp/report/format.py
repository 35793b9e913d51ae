"""Formatters that convert numbers, durations, names, paths and log text to readable text."""

import json
import math
import re
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

from mnist_exp.results import counted

#: Codes for colours and cursor movements. `printable` deletes these codes.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.")
#: Other control characters, such as tabs. `printable` replaces these characters by a blank.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")

#: With at least this many samples, an accuracy's interval is at most 20 percentage points wide.
_FEW = 100


def number(value: Any) -> str:
    """Return a value as short text: floats with 4 significant digits, None as a dash.

    If a sweep sampled a mapping from the search space, `value` is the mapping as JSON text. The
    result for the text `{"kind": "a", "x": 0.79}` is `{kind=a x=0.79}`.
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


def accuracy_interval(right: int, total: int) -> str:
    """Return the 95 % confidence interval of an accuracy as text.

    Wilson's interval is also valid for few samples, and for 0 % and 100 %:
    https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval#Wilson_score_interval

    Returns:
        Text such as `30 samples are few: 95 % interval of the accuracy 70 to 95 %`. For many
        samples, the text contains only the interval.
    """
    z = NormalDist().inv_cdf(0.975)
    centre = right + z**2 / 2
    half = z * math.sqrt(right * (total - right) / total + z**2 / 4)
    low, high = ((centre + sign * half) / (total + z**2) for sign in (-1, 1))
    few = f"{counted(total, 'sample')} {'are' if total > 1 else 'is'} few: " if total < _FEW else ""
    return f"{few}95 % interval of the accuracy {low * 100:.0f} to {high * 100:.0f} %"


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

    A record of `stage=all` does not contain the name of its sweep. The caller then passes the
    record's own name as `sweep`. In this case, return the index at the end of the trial's name.
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
