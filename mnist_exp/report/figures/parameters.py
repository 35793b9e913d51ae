"""One panel of a sweep's figure: a dot for each trial.

The horizontal axis is one parameter, and the vertical axis is the best value of the trial.
"""

from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatterSciNotation, LogLocator, MaxNLocator, NullFormatter

from mnist_exp.report.figures.canvas import drawable, style
from mnist_exp.report.figures.scales import ParameterScale
from mnist_exp.report.figures.trials import by_appearance
from mnist_exp.report.format import number, shortened
from mnist_exp.results import JobResult
from mnist_exp.sweeps.space.expressions import Scale

#: Maximum number of categories whose names are written.
_MAX_NAMES = 8
_MAX_CHARACTERS = 18
#: Horizontal offsets (jitter) of the dots in a category. Without these offsets, dots with the same
#: value would hide each other.
_OFFSETS = (0, 1, -1, 2, -2, 3, -3)


def draw_parameter(axes: Axes, job: JobResult, name: str, scale: Scale) -> ParameterScale:
    """Draw a dot for each trial, with the parameter `name` as the horizontal axis.

    Args:
        axes: The axes of the panel.
        job: The sweep with its trials.
        name: The name of the parameter.
        scale: The scale of the parameter in the search space.

    Returns:
        The scale of the horizontal axis.
    """
    values = [trial.parameters[name] for trial in job.trials if name in trial.parameters]
    horizontal = ParameterScale(name, values, scale)
    jitter = 0.02 if len(job.trials) <= 20 else 0.05
    if horizontal.kind is not Scale.CATEGORICAL:
        jitter = 0.0
    for appearance, trials in by_appearance(job).items():
        shown = [
            (horizontal.position(trial.parameters[name]), index, trial.best)
            for index, trial in enumerate(trials)
            if name in trial.parameters and trial.best is not None and drawable(trial.best)
        ]
        axes.scatter(
            [x + jitter * _OFFSETS[index % len(_OFFSETS)] for x, index, _ in shown],
            [best for _, _, best in shown],
            s=appearance.marker_size**2 * 0.9,
            color=appearance.colour,
            marker=appearance.marker,
            alpha=appearance.alpha(len(job.trials)),
            zorder=appearance.zorder,
        )
    style(axes, horizontal.label)
    _set_ticks(axes, horizontal)
    return horizontal


def _set_ticks(axes: Axes, scale: ParameterScale) -> None:
    if scale.kind is Scale.LINEAR:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    elif scale.kind is Scale.LOGARITHMIC:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        axes.xaxis.set_major_formatter(LogFormatterSciNotation())
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        _write_categories(axes, scale)


def _write_categories(axes: Axes, scale: ParameterScale) -> None:
    count = len(scale.values)
    places = range(0, count, -(-count // _MAX_NAMES))
    labels = [shortened(number(scale.values[place]), _MAX_CHARACTERS) for place in places]
    crowded = sum(map(len, labels)) > 30
    axes.set_xticks(
        places,
        labels,
        rotation=35 if crowded else 0,
        ha="right" if crowded else "center",
        rotation_mode="anchor",
        parse_math=False,
    )
    axes.set_xlim(-0.6, count - 0.4)
    axes.grid(visible=False, axis="x")
