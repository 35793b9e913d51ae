"""The figure of a sweep: a curve for each trial, and a panel for each parameter."""

import math
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import SubFigure

from mnist_exp.report.figures.canvas import GREY, drawable, new_figure, note, save
from mnist_exp.report.figures.history import draw_history
from mnist_exp.report.figures.parameters import draw_parameter
from mnist_exp.report.format import plain
from mnist_exp.results import JobResult, counted
from mnist_exp.sweeps.ranking import Objective
from mnist_exp.sweeps.space.expressions import Scale

_COLUMNS = 4
#: Width of the figure, height of the curves, and height of a row of panels, in inches.
_WIDTH, _HISTORY_HEIGHT, _ROW_HEIGHT = 13.0, 5.0, 2.9
_JITTER = (
    "Dots above a category are moved a little to the left or right, so that they hide each other "
    "less."
)


def sweep_figure(
    job: JobResult,
    objective: Objective,
    epochs: int | None,
    scales: Mapping[str, Scale],
    path: Path,
) -> Path:
    """Draw a curve of the primary metric for each trial, and a panel for each parameter.

    A panel shows the best value of each trial by the value of the parameter. The best trial is
    highlighted. If early termination cut a trial, the trial's curve ends in a cross. Values that
    the trial logged after the decision are dotted.

    Args:
        job: A sweep with its trials.
        objective: The sweep's primary metric and its goal.
        epochs: The number of epochs of each trial; None if unknown.
        scales: Parameter -> scale in the search space.
        path: The file to write.

    Returns:
        `path`.

    Raises:
        OutputsError: The file cannot be written.
    """
    primary_metric = objective.primary_metric
    trials = counted(len(job.trials), "trial")
    subtitle = f"{job.name} · {trials} · {objective.goal.value} {primary_metric}"
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
    draw_history(parts[0, 0].subplots(), job, primary_metric, epochs)
    if names:
        _draw_parameters(
            parts[1, 0],
            job,
            {name: scales.get(name, Scale.LINEAR) for name in names},
            primary_metric,
        )
    return save(figure, path)


def _draw_parameters(
    part: SubFigure, job: JobResult, scales: Mapping[str, Scale], primary_metric: str
) -> None:
    columns = min(len(scales), _COLUMNS)
    grid = part.subplots(math.ceil(len(scales) / columns), columns, squeeze=False, sharey=True)
    kinds = {
        draw_parameter(axes, job, name, scale).kind
        for axes, (name, scale) in zip(grid.flat, scales.items(), strict=False)
    }
    for axes in grid.flat[len(scales) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel(f"best {plain(primary_metric)}", parse_math=False)
    if Scale.CATEGORICAL in kinds:
        part.supxlabel(_JITTER, fontsize=8, color=GREY)
