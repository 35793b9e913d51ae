"""Parallel coordinates: a figure in which each trial is a line through several vertical axes.

There is one axis for each parameter, and one axis for the best value.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from mnist_exp.report.figures.canvas import GREY, INK, drawable, new_figure, note, save, style
from mnist_exp.report.figures.legend import add_legend
from mnist_exp.report.figures.scales import ParameterScale
from mnist_exp.report.figures.trials import appearance_of
from mnist_exp.report.format import number, plain, shortened
from mnist_exp.results import JobResult
from mnist_exp.sweeps.ranking import Objective
from mnist_exp.sweeps.space.expressions import Scale

#: Size of the figure in inches.
_WIDTH, _HEIGHT = 13.0, 5.5
#: Minimum distance between two values that are written at an axis, as a share of the axis.
_TICK_GAP = 0.04
_MAX_CHARACTERS = 24


class _Axis:
    """One vertical axis, which maps values to heights from 0 to 1."""

    def __init__(self, scale: ParameterScale) -> None:
        self._scale = scale

    @property
    def label(self) -> str:
        """The label of the axis."""
        return self._scale.label

    def height(self, value: Any) -> float:
        """Return the height of a value."""
        low, high = (self._number(end) for end in (self._scale.values[0], self._scale.values[-1]))
        return (self._number(value) - low) / (high - low) if high > low else 0.5

    @property
    def ticks(self) -> Sequence[Any]:
        """The values to write at the axis.

        These are the first value, the last value, and values between them that are at least
        `_TICK_GAP` apart.
        """
        order = self._scale.values
        shown = [order[0], *order[1:][-1:]]
        for value in order:
            if all(abs(self.height(value) - self.height(other)) >= _TICK_GAP for other in shown):
                shown.append(value)
        return shown

    def _number(self, value: Any) -> float:
        number = self._scale.position(value)
        return math.log(number) if self._scale.kind is Scale.LOGARITHMIC else number


def parallel_coordinates(
    job: JobResult, objective: Objective, scales: Mapping[str, Scale], path: Path
) -> Path:
    """Draw each trial as a line through its parameters and its best value.

    Args:
        job: A sweep with its trials.
        objective: The sweep's primary metric and its goal.
        scales: Parameter -> scale in the search space.
        path: The file to write.

    Returns:
        `path`.

    Raises:
        OutputsError: The file cannot be written.
    """
    primary_metric = objective.primary_metric
    subtitle = plain(f"{job.name} · {objective.goal.value} {primary_metric}")
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
    columns = list(zip(*(values for values, _ in rows), strict=True))
    lines = [
        _Axis(ParameterScale(name, column, scales.get(name, Scale.LINEAR)))
        for name, column in zip([*names, f"best {primary_metric}"], columns, strict=True)
    ]
    for values, appearance in rows:
        axes.plot(
            range(len(lines)),
            [line.height(value) for line, value in zip(lines, values, strict=True)],
            color=appearance.colour,
            linewidth=appearance.width,
            alpha=appearance.alpha(len(rows)),
            zorder=appearance.zorder,
        )
    _draw_axes(axes, lines)
    add_legend(axes, replace(job, trials=trials), marked=False)
    return save(figure, path)


def _draw_axes(axes: Axes, lines: Sequence[_Axis]) -> None:
    style(axes)
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_yticks([])
    axes.set_xticks(range(len(lines)), [plain(line.label) for line in lines], parse_math=False)
    axes.margins(x=0.06)
    for place, line in enumerate(lines):
        axes.axvline(place, color=GREY, linewidth=0.8, zorder=1)
        for value in line.ticks:
            axes.annotate(
                shortened(number(value), _MAX_CHARACTERS),
                (place, line.height(value)),
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
