"""Learning curves of several jobs: one panel for each metric, one colour for each job."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mnist_exp.metrics import MetricPoint, have_steps
from mnist_exp.report.figures.canvas import CYCLE, drawable, new_figure, save, style
from mnist_exp.report.format import plain

_Metrics = Mapping[str, Sequence[MetricPoint]]

_COLUMNS = 3
_MAX_PANELS = 12
#: The line styles of the jobs. The next style begins when all colours are used.
_DASHES: tuple[Literal["-", "--", ":"], ...] = ("-", "--", ":")


def comparison_curves(jobs: Sequence[tuple[str, _Metrics]], path: Path) -> Path:
    """Draw each metric that a job logged more than once, with a curve for each job.

    Args:
        jobs: A label and the metrics of each job. At least one job logged a metric repeatedly.
        path: The file to write; its suffix is the format.

    Returns:
        `path`.

    Raises:
        OutputsError: The file cannot be written.
    """
    names = dict.fromkeys(
        name for _, metrics in jobs for name, points in metrics.items() if len(points) > 1
    )
    shown = list(names)[:_MAX_PANELS]
    columns = min(len(shown), _COLUMNS)
    rows = math.ceil(len(shown) / columns)
    height = 1.3 + 3.2 * rows + 0.25 * len(jobs)
    figure = new_figure(max(4.6 * columns, 7), height, "Comparison of runs")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, name in zip(grid.flat, shown, strict=False):
        _draw(axes, name, [metrics.get(name, ()) for _, metrics in jobs])
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    handles = [
        Line2D([], [], color=_colour(index), linestyle=_dash(index), label=plain(label))
        for index, (label, _) in enumerate(jobs)
    ]
    legend = figure.legend(handles=handles, loc="outside lower left", frameon=False, fontsize=9)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return save(figure, path)


def _draw(axes: Axes, name: str, curves: Sequence[Sequence[MetricPoint]]) -> None:
    by_step = all(have_steps(points) for points in curves)
    for index, points in enumerate(curves):
        axes.plot(
            [point.step for point in points] if by_step else range(1, len(points) + 1),
            [point.value if drawable(point.value) else math.nan for point in points],
            color=_colour(index),
            linestyle=_dash(index),
            linewidth=2,
            marker="o",
            markersize=4 if len(points) <= 40 else 0,
        )
    style(axes, "step" if by_step else "log event", plain(name))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))


def _colour(index: int) -> str:
    return CYCLE[index % len(CYCLE)]


def _dash(index: int) -> Literal["-", "--", ":"]:
    return _DASHES[index // len(CYCLE) % len(_DASHES)]
