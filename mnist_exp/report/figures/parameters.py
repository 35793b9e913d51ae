"""One panel of a sweep's figure: a dot for each trial.

The horizontal axis is one parameter, and the vertical axis is the best value of the trial.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median_low
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatterSciNotation, LogLocator, MaxNLocator, NullFormatter

from mnist_exp.report.figures.canvas import drawable, style
from mnist_exp.report.figures.trials import by_appearance
from mnist_exp.report.format import number, shortened
from mnist_exp.results import JobResult

#: If a parameter has more different numbers than this, its axis is a scale. Otherwise each number
#: can be a category (see `_positions`).
_MAX_CATEGORIES = 8
#: The scale is linear if the ratio of the largest to the smallest value is lower than this.
_LOG_RATIO = 20
_MAX_CHARACTERS = 18
#: Horizontal offsets of the dots in a category. Without these offsets, dots with the same value
#: would hide each other.
_OFFSETS = (0, 1, -1, 2, -2, 3, -3)


def draw_parameter(axes: Axes, job: JobResult, name: str) -> None:
    """Draw a dot for each trial, with the parameter `name` as the horizontal axis.

    If the parameter is a text or has only a few different values, the values are categories. If
    numbers have very different magnitudes, the axis is logarithmic (see `_is_log`).
    """
    values = [trial.parameters[name] for trial in job.trials if name in trial.parameters]
    positions = _positions(values)
    spread = 0.02 if len(job.trials) <= 20 else 0.05
    for appearance, trials in by_appearance(job).items():
        shown = [
            (index, trial.parameters[name], trial.best)
            for index, trial in enumerate(trials)
            if name in trial.parameters and trial.best is not None and drawable(trial.best)
        ]
        axes.scatter(
            [
                positions[number(value)] + spread * _OFFSETS[index % len(_OFFSETS)]
                if positions
                else float(value)
                for index, value, _ in shown
            ],
            [best for _, _, best in shown],
            s=appearance.marker_size**2 * 0.9,
            color=appearance.colour,
            marker=appearance.marker,
            alpha=appearance.alpha(len(job.trials)),
            zorder=appearance.zorder,
        )
    style(axes, name)
    _scale(axes, values, positions)


def _positions(values: Sequence[Any]) -> Mapping[str, int]:
    """Return category -> position on the axis; empty if the axis is a scale of numbers."""
    numeric = all(drawable(v) and not isinstance(v, bool) for v in values)
    distinct = {number(value): value for value in values}
    if numeric:
        whole = all(isinstance(value, int) for value in values)
        repeated = len(distinct) <= len(values) / 2
        if len(distinct) > _MAX_CATEGORIES or not (whole or repeated):
            return {}
        ordered = sorted(distinct, key=lambda key: distinct[key])
    else:
        ordered = sorted(distinct)
    return {key: place for place, key in enumerate(ordered)}


def _scale(axes: Axes, values: Sequence[Any], positions: Mapping[str, int]) -> None:
    if positions:
        labels = [shortened(key, _MAX_CHARACTERS) for key in positions]
        crowded = sum(map(len, labels)) > 30
        axes.set_xticks(
            range(len(labels)),
            labels,
            rotation=35 if crowded else 0,
            ha="right" if crowded else "center",
            rotation_mode="anchor",
            parse_math=False,
        )
        axes.set_xlim(-0.6, len(labels) - 0.4)
        axes.grid(visible=False, axis="x")
    elif _is_log(values):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        axes.xaxis.set_major_formatter(LogFormatterSciNotation())
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))


def _is_log(values: Sequence[float]) -> bool:
    """Return whether the values are spread more evenly on a logarithmic than on a linear scale."""
    low, high = min(values), max(values)
    if low <= 0 or high / low < _LOG_RATIO:
        return False
    middle = median_low(values)
    in_decades = (math.log(middle) - math.log(low)) / (math.log(high) - math.log(low))
    return abs(in_decades - 0.5) < abs((middle - low) / (high - low) - 0.5)
