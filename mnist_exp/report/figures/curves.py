"""Learning curves: for each metric of a job, a curve of its values by step."""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mnist_exp.metrics import MetricPoint
from mnist_exp.report.figures.canvas import CYCLE, drawable, new_figure, note, save, style
from mnist_exp.report.figures.legend import above
from mnist_exp.report.format import number, plain
from mnist_exp.results import JobResult

_Metrics = Mapping[str, Sequence[MetricPoint]]

_COLUMNS = 3
_MAX_PANELS = 12


def learning_curves(job: JobResult, path: Path) -> Path:
    """Draw each metric that a job logged more than once.

    For a sweep, draw the metrics of the best trial. A panel contains the metrics whose names
    have the same last word (`training_acc`, `validation_acc`). If no metric was logged more than
    once, for example in a job with one epoch, draw each metric as a dot.

    Args:
        job: A job with its metrics.
        path: The PNG file to write.

    Returns:
        `path`.

    Raises:
        OutputsError: The file cannot be written.
    """
    curves = {name: points for name, points in job.metrics.items() if len(points) > 1}
    panels = _panels(curves or {name: points for name, points in job.metrics.items() if points})
    columns = min(len(panels), _COLUMNS) or 1
    rows = math.ceil(len(panels) / columns) or 1
    subtitle = f"best trial: {job.best}" if job.best else job.name
    figure = new_figure(max(5.2 * columns, 7), 0.9 + 3.4 * rows, "Learning curves", plain(subtitle))
    if not panels:
        note(figure, "No metric was logged.")
        return save(figure, path)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, (ending, metrics) in zip(grid.flat, panels.items(), strict=False):
        _draw(axes, ending, metrics)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    return save(figure, path)


def _panels(metrics: _Metrics) -> dict[str, _Metrics]:
    grouped: dict[str, dict[str, Sequence[MetricPoint]]] = {}
    for name, points in metrics.items():
        grouped.setdefault(re.split(r"[\W_]+", name)[-1].lower(), {})[name] = points
    return dict(list(grouped.items())[:_MAX_PANELS])


def _draw(axes: Axes, ending: str, metrics: _Metrics) -> None:
    by_step = all(_is_increasing(points) for points in metrics.values())
    for index, (name, points) in enumerate(metrics.items()):
        values = [point.value if drawable(point.value) else math.nan for point in points]
        axes.plot(
            [point.step for point in points] if by_step else range(1, len(points) + 1),
            values,
            color=CYCLE[index % len(CYCLE)],
            linestyle=("-", "--", ":")[index // len(CYCLE) % 3],
            linewidth=2,
            marker="o",
            markersize=4 if len(points) <= 40 else 0,
            label=f"{plain(name)}  {number(points[-1].value)}",
        )
    style(axes, "step" if by_step else "log event", ending)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    legend = axes.legend(
        frameon=False,
        fontsize=9,
        loc="lower left",
        bbox_to_anchor=above(axes),
        ncols=2,
        borderaxespad=0.2,
        handlelength=1.6,
        columnspacing=1.2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _is_increasing(points: Sequence[MetricPoint]) -> bool:
    return all(a.step < b.step for a, b in pairwise(points))
