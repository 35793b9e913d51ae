"""The figure of a sweep: a curve for each trial, and a panel for each parameter."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import SubFigure

from mnist_exp.report.figures.canvas import drawable, new_figure, note, save
from mnist_exp.report.figures.history import draw_history
from mnist_exp.report.figures.parameters import draw_parameter
from mnist_exp.report.format import plain
from mnist_exp.results import JobResult
from mnist_exp.sweeps.ranking import Goal

_COLUMNS = 4
#: Width of the figure, height of the curves, and height of a row of panels, in inches.
_WIDTH, _HISTORY_HEIGHT, _ROW_HEIGHT = 13.0, 5.0, 2.9


def sweep_figure(job: JobResult, primary_metric: str, goal: Goal | str, path: Path) -> Path:
    """Draw a curve of the primary metric for each trial, and a panel for each parameter.

    A panel shows the best value of each trial by the value of the parameter. The best trial is
    highlighted. If early termination cut a trial, the trial's curve ends in a cross.

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
    subtitle = f"{job.name} · {len(job.trials)} trials · {Goal(goal).value} {primary_metric}"
    names = list(dict.fromkeys(name for trial in job.trials for name in trial.parameters))
    values = [point.value for one in job.trials for point in one.metrics.get(primary_metric, ())]
    if not any(map(drawable, values)):
        figure = new_figure(_WIDTH, _HISTORY_HEIGHT, "Sweep", plain(subtitle))
        what = "a number as " if values else ""
        note(figure, f"No trial logged {what}{plain(primary_metric)}.")
        return save(figure, path)
    heights = [_HISTORY_HEIGHT, *[_ROW_HEIGHT * math.ceil(len(names) / _COLUMNS)][: len(names)]]
    figure = new_figure(_WIDTH, sum(heights), "Sweep", plain(subtitle))
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)
    draw_history(parts[0, 0].subplots(), job, primary_metric)
    if names:
        _draw_parameters(parts[1, 0], job, names, primary_metric)
    return save(figure, path)


def _draw_parameters(
    part: SubFigure, job: JobResult, names: Sequence[str], primary_metric: str
) -> None:
    columns = min(len(names), _COLUMNS)
    grid = part.subplots(math.ceil(len(names) / columns), columns, squeeze=False, sharey=True)
    for axes, name in zip(grid.flat, names, strict=False):
        draw_parameter(axes, job, name)
    for axes in grid.flat[len(names) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel(f"best {plain(primary_metric)}", parse_math=False)
