"""The upper half of a sweep's figure: for each trial, a curve of the primary metric.

The horizontal axis is the epoch, or the number of the interval. If there are at most
`_MAX_LABELLED` curves, the trial's number is at the end of each curve.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib import patheffects
from matplotlib.axes import Axes

from mnist_exp.report.epochs import interval_unit, planned_epochs, value_numbers
from mnist_exp.report.figures.canvas import count_epochs, drawable_values, style
from mnist_exp.report.figures.legend import add_legend
from mnist_exp.report.figures.trials import Appearance, appearance_of
from mnist_exp.report.format import trial_label
from mnist_exp.results import JobResult, TrialResult

#: Maximum number of curves for which trial numbers are drawn. More numbers would overlap.
_MAX_LABELLED = 12
#: Minimum distance between the numbers of two trials, as a share of the axis.
_LABEL_GAP = 0.045
#: Distance between a trial's number and the trial's curve, as a share of the axis.
_LABEL_SHIFT = 0.018
#: Number of rounds in `_spread`. After these rounds, _MAX_LABELLED numbers no longer overlap.
_ROUNDS = 300


class _End(NamedTuple):
    """The last point of a trial's curve."""

    trial: TrialResult
    x: int
    y: float


def draw_history(axes: Axes, job: JobResult, metric: str, epochs: int | None) -> None:
    """Draw a curve for each trial. The marker on the curve shows how the trial ended.

    Args:
        axes: The axes for the curves.
        job: The sweep with its trials.
        metric: The sweep's primary metric.
        epochs: The number of epochs of each trial; None if unknown.
    """
    ends: list[_End] = []
    planned = planned_epochs(job.trials, epochs)
    for trial in job.trials:
        points = trial.metrics.get(metric, ())
        numbers = value_numbers(points, planned[trial.name], trial.late)
        curve = list(zip(numbers, drawable_values(points), strict=True))
        counted = curve[: len(curve) - trial.late]
        if finite := [place for place, (_, value) in enumerate(counted) if not math.isnan(value)]:
            _draw_trial(axes, job, trial, counted, finite[-1])
            _draw_late(axes, job, trial, curve[finite[-1] :])
            ends.append(_End(trial, *counted[finite[-1]]))
    style(axes, interval_unit(planned), metric)
    axes.margins(x=0.03)
    count_epochs(axes)
    if len(ends) <= _MAX_LABELLED:
        _label_ends(axes, ends, job)
    add_legend(axes, job)


def _draw_trial(
    axes: Axes, job: JobResult, trial: TrialResult, curve: Sequence[tuple[int, float]], end: int
) -> None:
    appearance = appearance_of(trial, job)
    values = [value for _, value in curve]
    # The best trial has its marker at its best value. Every other trial has its marker at its end.
    starred = trial.best if appearance is Appearance.BEST else None
    axes.plot(
        [x for x, _ in curve],
        values,
        color=appearance.colour,
        linewidth=appearance.width,
        alpha=appearance.alpha(len(job.trials)),
        marker=appearance.marker,
        markevery=[next((place for place, one in enumerate(values) if one == starred), end)],
        markersize=appearance.marker_size,
        zorder=appearance.zorder,
    )


def _draw_late(
    axes: Axes, job: JobResult, trial: TrialResult, curve: Sequence[tuple[int, float]]
) -> None:
    """Draw a thin dotted line through the values after the decision to end the trial.

    These values do not count. The dotted line begins at the last value that counts.
    """
    if trial.late:
        colour = appearance_of(trial, job).colour
        axes.plot(*zip(*curve, strict=True), color=colour, linewidth=0.8, linestyle=":", alpha=0.6)


def _label_ends(axes: Axes, ends: Sequence[_End], job: JobResult) -> None:
    bottom, top = axes.get_ylim()
    for x in {end.x for end in ends}:
        there = sorted((end for end in ends if end.x == x), key=lambda end: end.y)
        heights = _spread([end.y for end in there], _LABEL_GAP * (top - bottom), top)
        for end, height in zip(there, heights, strict=True):
            _label(axes, end, height, job)


def _label(axes: Axes, end: _End, height: float, job: JobResult) -> None:
    left, right = axes.get_xlim()
    colour = appearance_of(end.trial, job).colour
    axes.annotate(
        trial_label(end.trial.name, job.name),
        (end.x, end.y),
        xytext=(end.x + _LABEL_SHIFT * (right - left), height),
        va="center",
        fontsize=9,
        color=colour,
        fontweight="bold" if end.trial.name == job.best else "normal",
        path_effects=[patheffects.withStroke(linewidth=2.5, foreground="white")],
        arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 1},
        annotation_clip=False,
        zorder=9,
        parse_math=False,
    )


def _spread(heights: Sequence[float], gap: float, top: float) -> list[float]:
    """Return the ascending `heights`, moved to be at least `gap` apart and not above `top`."""
    spread = list(heights)
    for _ in range(_ROUNDS):
        for index in range(len(spread) - 1):
            if (lack := gap - (spread[index + 1] - spread[index])) > 0:
                spread[index] -= lack / 2
                spread[index + 1] += lack / 2
        spread[-1] = min(spread[-1], top)
    return spread
