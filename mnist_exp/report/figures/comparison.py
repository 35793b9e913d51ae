"""Learning curves of several jobs: one panel for each metric, one colour for each job."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mnist_exp.metrics import MetricPoint
from mnist_exp.report.epochs import horizontal_axis
from mnist_exp.report.figures.canvas import draw_curves, new_panels, plain_legend, save
from mnist_exp.report.format import plain

_Metrics = Mapping[str, Sequence[MetricPoint]]


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
    height = 0.2 + 0.25 * len(jobs)
    figure, grid = new_panels(len(names), "Comparison of runs", legend_height=height)
    for axes, name in zip(grid, names, strict=False):
        curves = [(plain(label), metrics.get(name, ())) for label, metrics in jobs]
        axis = horizontal_axis([points for _, points in curves])
        draw_curves(axes, curves, axis, plain(name))
    # The first panel has a line for each job, also for a job without the metric.
    lines = grid[0].get_lines()
    # Shorter lines would hide the line styles behind the markers.
    plain_legend(
        figure.legend(
            handles=lines, loc="outside lower left", frameon=False, fontsize=9, handlelength=4
        )
    )
    return save(figure, path)
