"""Learning curves: for each metric of a job, a curve of its values by epoch."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from mnist_exp.metrics import MetricPoint
from mnist_exp.report.epochs import (
    HorizontalAxis,
    Interval,
    best_interval,
    horizontal_axis,
    interval_unit,
    planned_epochs,
)
from mnist_exp.report.figures.canvas import GREY, draw_curves, new_panels, plain_legend, save
from mnist_exp.report.figures.legend import above
from mnist_exp.report.format import number, plain
from mnist_exp.results import JobResult, TrialResult

_Metrics = Mapping[str, Sequence[MetricPoint]]


def learning_curves(
    job: JobResult, epochs: int | None, primary_metric: str | None, path: Path
) -> Path:
    """Draw each metric that a job logged more than once.

    For a sweep, draw the metrics of the best trial, and mark the epoch with its best value. A panel
    contains the metrics whose names have the same last word (`training_acc`, `validation_acc`). If
    no metric was logged more than once, for example in a job with one epoch, draw each metric as a
    dot.

    Args:
        job: A job with its metrics.
        epochs: The number of epochs of the job, or of each trial of a sweep; None if unknown.
        primary_metric: The primary metric of the job; None if the job has no primary metric.
        path: The file to write.

    Returns:
        `path`.

    Raises:
        OutputsError: The file cannot be written.
    """
    trial, best, subtitle = job.best_trial, None, plain(job.name)
    if trial is not None:
        planned = planned_epochs(job.trials, epochs)
        epochs = planned[trial.name]
        best = best_interval(trial, primary_metric or "", epochs)
        subtitle = _subtitle(trial, f"best {primary_metric}", interval_unit(planned), best)
    curves = {name: points for name, points in job.metrics.items() if len(points) > 1}
    panels = _panels(curves or {name: points for name, points in job.metrics.items() if points})
    figure, grid = new_panels(len(panels), "Learning curves", subtitle)
    for axes, (ending, metrics) in zip(grid, panels.items(), strict=False):
        axis = horizontal_axis(list(metrics.values()), epochs, trial.late if trial else 0)
        _draw(axes, ending, metrics, axis, best)
    return save(figure, path)


def _subtitle(trial: TrialResult, name: str, unit: str, best: Interval | None) -> str:
    subtitle = f"best trial: {trial.name}"
    if best is not None:
        subtitle += f" · {name}: {number(trial.best)} at {unit} {best.number} (dashed line)"
    return plain(subtitle)


def _panels(metrics: _Metrics) -> Mapping[str, _Metrics]:
    grouped: dict[str, dict[str, Sequence[MetricPoint]]] = {}
    for name, points in metrics.items():
        grouped.setdefault(re.split(r"[\W_]+", name)[-1].lower(), {})[name] = points
    return grouped


def _draw(
    axes: Axes, ending: str, metrics: _Metrics, axis: HorizontalAxis, best: Interval | None
) -> None:
    curves = [
        (f"{plain(name)}  {number(points[-1].value)}", points) for name, points in metrics.items()
    ]
    draw_curves(axes, curves, axis, ending)
    if best is not None:
        x = best.step if axis.unit == "step" else best.number
        axes.axvline(x, color=GREY, linewidth=1.2, linestyle="--", zorder=1)
    plain_legend(
        axes.legend(
            frameon=False,
            fontsize=9,
            loc="lower left",
            bbox_to_anchor=above(axes),
            ncols=2,
            borderaxespad=0.2,
            handlelength=1.6,
            columnspacing=1.2,
        )
    )
