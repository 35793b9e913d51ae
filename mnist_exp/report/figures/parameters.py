"""One panel of a sweep's figure: a dot for each trial.

The horizontal axis is one parameter, and the vertical axis is the best value of the trial.
"""

from collections import Counter
from collections.abc import Mapping

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
#: Horizontal offsets (jitter) of the dots of a category, in units of the axis. Two categories are 1
#: unit apart. Without these offsets, dots with the same value would hide each other.
_OFFSETS = (0, 0.09, -0.09, 0.18, -0.18, 0.27, -0.27)


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
    dots = _positions(job, name, horizontal)
    for appearance, trials in by_appearance(job).items():
        shown = [trial for trial in trials if trial.name in dots]
        axes.scatter(
            [dots[trial.name] for trial in shown],
            [float(trial.best or 0.0) for trial in shown],
            s=appearance.marker_size**2 * 0.9,
            color=appearance.colour,
            marker=appearance.marker,
            alpha=appearance.alpha(len(job.trials)),
            zorder=appearance.zorder,
        )
    style(axes, horizontal.label)
    _set_ticks(axes, horizontal)
    return horizontal


def _positions(job: JobResult, name: str, scale: ParameterScale) -> Mapping[str, float]:
    """Return trial -> horizontal position of its dot, for each trial with a value to draw."""
    dots: dict[str, float] = {}
    counts: Counter[float] = Counter()
    for trial in job.trials:
        if name in trial.parameters and trial.best is not None and drawable(trial.best):
            x = scale.position(trial.parameters[name])
            is_moved = scale.kind is Scale.CATEGORICAL
            dots[trial.name] = x + (_OFFSETS[counts[x] % len(_OFFSETS)] if is_moved else 0.0)
            counts[x] += 1
    return dots


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
