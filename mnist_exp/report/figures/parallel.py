"""Parallel coordinates: a figure in which each trial is a line through several vertical axes.

There is one axis for each parameter, and one axis for the best value.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from mnist_exp.report.figures.canvas import GREY, INK, drawable, new_figure, note, save, style
from mnist_exp.report.figures.legend import add_legend
from mnist_exp.report.figures.trials import appearance_of
from mnist_exp.report.format import number, plain, shortened
from mnist_exp.results import JobResult
from mnist_exp.sweeps.ranking import Goal

#: Size of the figure in inches.
_WIDTH, _HEIGHT = 13.0, 5.5
#: A scale of positive numbers is logarithmic if its largest number is at least this multiple of its
#: smallest number.
_LOG_RATIO = 20
#: Minimum distance between two values that are written at an axis, as a share of the axis.
_TICK_GAP = 0.04
_MAX_CHARACTERS = 24


class _Scale:
    """The scale of one axis, which maps values to heights from 0 to 1."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._numeric = all(map(drawable, values))
        self._order: list[Any] = sorted(set(values if self._numeric else map(str, values)))
        low, high = self._order[0], self._order[-1]
        self._log = self._numeric and low > 0 and high / low >= _LOG_RATIO

    def __call__(self, value: Any) -> float:
        """Return the height of a value."""
        if not self._numeric:
            return self._share(self._order.index(str(value)), 0, len(self._order) - 1)
        low, high = float(self._order[0]), float(self._order[-1])
        if self._log:
            return self._share(math.log(value), math.log(low), math.log(high))
        return self._share(float(value), low, high)

    @property
    def ticks(self) -> Sequence[Any]:
        """The values to write at the axis.

        These are the smallest value, the largest value, and values between them that are at least
        `_TICK_GAP` apart.
        """
        shown = list(dict.fromkeys([self._order[0], self._order[-1]]))
        for value in self._order:
            if all(abs(self(value) - self(other)) >= _TICK_GAP for other in shown):
                shown.append(value)
        return shown

    @staticmethod
    def _share(value: float, low: float, high: float) -> float:
        return (value - low) / (high - low) if high > low else 0.5


def parallel_coordinates(job: JobResult, primary_metric: str, goal: Goal | str, path: Path) -> Path:
    """Draw each trial as a line through its parameters and its best value.

    Args:
        job: A sweep with its trials.
        primary_metric: The sweep's primary metric.
        goal: Whether a higher or a lower value is better.
        path: The PNG file to write.

    Returns:
        `path`.

    Raises:
        OutputsError: The file cannot be written.
    """
    subtitle = plain(f"{job.name} · {Goal(goal).value} {primary_metric}")
    figure = new_figure(_WIDTH, _HEIGHT, "Parameters of the trials", subtitle)
    trials = [one for one in job.trials if drawable(one.best)]
    names = list(dict.fromkeys(name for trial in trials for name in trial.parameters))
    rows = [
        (
            [*(trial.parameters.get(name, "") for name in names), trial.best],
            appearance_of(trial, job),
        )
        for trial in trials
    ]
    if not rows:
        note(figure, f"No trial logged {plain(primary_metric)}.")
        return save(figure, path)
    axes = figure.subplots()
    scales = [_Scale([values[place] for values, _ in rows]) for place in range(len(names) + 1)]
    for values, appearance in rows:
        axes.plot(
            range(len(scales)),
            [scale(value) for scale, value in zip(scales, values, strict=True)],
            color=appearance.colour,
            linewidth=appearance.width,
            alpha=appearance.alpha(len(rows)),
            zorder=appearance.zorder,
        )
    _draw_scales(axes, scales, [*names, f"best {primary_metric}"])
    add_legend(axes, replace(job, trials=trials), marked=False)
    return save(figure, path)


def _draw_scales(axes: Axes, scales: Sequence[_Scale], names: Sequence[str]) -> None:
    style(axes)
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_yticks([])
    axes.set_xticks(range(len(names)), [plain(name) for name in names], parse_math=False)
    axes.margins(x=0.06)
    for place, scale in enumerate(scales):
        axes.axvline(place, color=GREY, linewidth=0.8, zorder=1)
        for value in scale.ticks:
            axes.annotate(
                shortened(number(value), _MAX_CHARACTERS),
                (place, scale(value)),
                xytext=(-6, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=8,
                color=INK,
                zorder=9,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2},
                parse_math=False,
            )
