"""Learning curves: for each metric of a job, a curve of its values by epoch."""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes

from mnist_exp.metrics import MetricPoint
from mnist_exp.report.epochs import event_numbers, planned_epochs
from mnist_exp.report.figures.canvas import (
    CYCLE,
    GREY,
    count_epochs,
    drawable,
    new_figure,
    note,
    save,
    style,
)
from mnist_exp.report.figures.legend import above
from mnist_exp.report.format import number, plain
from mnist_exp.results import JobResult

_Metrics = Mapping[str, Sequence[MetricPoint]]

_COLUMNS = 3
_MAX_PANELS = 12


class _Event(NamedTuple):
    """A log event.

    `number` is its epoch, or its position in the log if epochs are unknown. `step` is the step that
    the script logged.
    """

    number: int
    step: int


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
    if job.best_trial:
        epochs = planned_epochs([job.best_trial], epochs)[job.best_trial.name]
    best = _best_event(job, epochs, primary_metric or "")
    curves = {name: points for name, points in job.metrics.items() if len(points) > 1}
    panels = _panels(curves or {name: points for name, points in job.metrics.items() if points})
    columns = min(len(panels), _COLUMNS) or 1
    rows = math.ceil(len(panels) / columns) or 1
    subtitle = _subtitle(job, epochs, primary_metric, best)
    figure = new_figure(max(5.2 * columns, 7), 0.9 + 3.4 * rows, "Learning curves", subtitle)
    if not panels:
        note(figure, "No metric was logged.")
        return save(figure, path)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, (ending, metrics) in zip(grid.flat, panels.items(), strict=False):
        _draw(axes, ending, metrics, epochs, best)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    return save(figure, path)


def _best_event(job: JobResult, epochs: int | None, primary_metric: str) -> _Event | None:
    """Return the log event of the best value of a sweep's best trial."""
    trial = job.best_trial
    points = job.metrics.get(primary_metric, ())
    events = zip(event_numbers(points, epochs), points, strict=True)
    best = trial.best if trial else None
    found = (_Event(number, point.step) for number, point in events if point.value == best)
    return next(found, None)


def _subtitle(
    job: JobResult, epochs: int | None, primary_metric: str | None, best: _Event | None
) -> str:
    trial = job.best_trial
    if trial is None:
        return plain(job.name)
    subtitle = f"best trial: {trial.name}"
    if best is not None:
        unit = "epoch" if epochs else "log event"
        value = f"best {primary_metric}: {number(trial.best)} at {unit} {best.number}"
        subtitle += f" · {value} (dashed line)"
    return plain(subtitle)


def _panels(metrics: _Metrics) -> dict[str, _Metrics]:
    grouped: dict[str, dict[str, Sequence[MetricPoint]]] = {}
    for name, points in metrics.items():
        grouped.setdefault(re.split(r"[\W_]+", name)[-1].lower(), {})[name] = points
    return dict(list(grouped.items())[:_MAX_PANELS])


def _draw(
    axes: Axes, ending: str, metrics: _Metrics, epochs: int | None, best: _Event | None
) -> None:
    unit = _unit(metrics, epochs)
    for index, (name, points) in enumerate(metrics.items()):
        values = [point.value if drawable(point.value) else math.nan for point in points]
        axes.plot(
            [point.step for point in points] if unit == "step" else event_numbers(points, epochs),
            values,
            color=CYCLE[index % len(CYCLE)],
            linestyle=("-", "--", ":")[index // len(CYCLE) % 3],
            linewidth=2,
            marker="o",
            markersize=4 if len(points) <= 40 else 0,
            label=f"{plain(name)}  {number(points[-1].value)}",
        )
    style(axes, unit, ending)
    count_epochs(axes)
    if best is not None:
        x = best.step if unit == "step" else best.number
        axes.axvline(x, color=GREY, linewidth=1.2, linestyle="--", zorder=1)
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


def _unit(metrics: _Metrics, epochs: int | None) -> str:
    """Return the unit of a panel's horizontal axis: epoch, MLflow's step, or log event."""
    if epochs and all(len(points) <= epochs for points in metrics.values()):
        return "epoch"
    return "step" if all(map(_is_increasing, metrics.values())) else "log event"


def _is_increasing(points: Sequence[MetricPoint]) -> bool:
    return all(a.step < b.step for a, b in pairwise(points))
