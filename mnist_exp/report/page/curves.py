"""The curves of a page, and `curves.json`, which keeps the curves of a run without a journal."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from mnist_exp.metrics import MetricPoint
from mnist_exp.records import CURVES_NAME, INVALID_JSON, write_text
from mnist_exp.results import TrialResult

#: Maximum number of points of a curve. Larger numbers make the page large and slow.
MAX_POINTS = 100
#: Maximum number of metrics in a page. A script may log thousands of metrics.
_MAX_METRICS = 50

#: Interval and value of each point. A value that is NaN or infinite can be None.
Curve = Sequence[tuple[int, float | None]]


def _curves_of(metrics: Mapping[str, Sequence[MetricPoint]]) -> dict[str, Curve]:
    """Return metric -> curve, for the metrics that a training run logged repeatedly."""
    repeated = {name: points for name, points in metrics.items() if len(points) > 1}
    return {name: _curve(points) for name, points in list(repeated.items())[:_MAX_METRICS]}


def _curve(points: Sequence[MetricPoint]) -> Curve:
    return thinned([(at, short(point.value)) for at, point in enumerate(points, 1)])


def short(value: float) -> float:
    """Return a value with six digits, which are enough for a chart and make the page smaller."""
    return float(f"{value:.6g}")


def save_curves(metrics: Mapping[str, Sequence[MetricPoint]], folder: Path) -> None:
    """Write the values that a training run logged to its run folder."""
    _save(_curves_of(metrics), folder)


def save_trial_curves(trials: Sequence[TrialResult], metric: str, folder: Path) -> None:
    """Write the values that the trials of a sweep logged to the run folder of the sweep.

    Args:
        trials: The trials.
        metric: The primary metric of the sweep.
        folder: The run folder.
    """
    _save({trial.name: _curve(trial.metrics.get(metric, ())) for trial in trials}, folder)


def _save(curves: Mapping[str, Curve], folder: Path) -> None:
    finite = {
        name: [(at, value if _is_finite(value) else None) for at, value in curve]
        for name, curve in curves.items()
    }
    write_text(folder / CURVES_NAME, json.dumps(finite, ensure_ascii=False) + "\n")


def saved_curves(folder: Path) -> dict[str, Curve]:
    """Return the curves in the run folder; empty if their file is missing or damaged."""
    try:
        content = json.loads((folder / CURVES_NAME).read_text(encoding="utf-8"))
        return {
            str(name): [(int(at), None if value is None else float(value)) for at, value in curve]
            for name, curve in content.items()
        }
    except (OSError, AttributeError, TypeError, *INVALID_JSON):
        return {}


def thinned(points: Curve, goal: str = "", cut: int | None = None) -> Curve:
    """Return at most `MAX_POINTS` points: the first, best, cut and last point are among them.

    Args:
        points: Interval and value of each point.
        goal: `minimize` or `maximize`. If empty, the lowest and the highest value are kept.
        cut: The interval at which the trial was cut; None if it was not cut.
    """
    if len(points) <= MAX_POINTS:
        return list(points)
    finite = [(value, index) for index, (_, value) in enumerate(points) if _is_finite(value)]
    kept = {0, len(points) - 1}
    kept |= {index for index, (interval, _) in enumerate(points) if interval == cut}
    if finite and goal != "maximize":
        kept.add(min(finite)[1])
    if finite and goal != "minimize":
        kept.add(max(finite, key=lambda pair: (pair[0], -pair[1]))[1])
    room = MAX_POINTS - len(kept)
    kept |= {index * len(points) // room for index in range(room)}
    return [points[index] for index in sorted(kept)]


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
