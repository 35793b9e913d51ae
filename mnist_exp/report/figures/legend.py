"""The legend of a sweep's figures, above the axes."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from mnist_exp.report.figures.canvas import GREY
from mnist_exp.report.figures.trials import Appearance, by_appearance
from mnist_exp.report.format import number, trial_label
from mnist_exp.results import JobResult, TrialResult

#: On an axis with large numbers, matplotlib writes a factor (such as `1e9`) above the axis. This
#: value is the height of the factor, as a share of the height of the axes.
_OFFSET = 0.06


def add_legend(axes: Axes, job: JobResult, *, marked: bool = True) -> None:
    """Add a legend that explains the colours and markers of the trials.

    Args:
        axes: The axes with the trials.
        job: The sweep, with only the trials that are drawn.
        marked: Whether the curves have markers.
    """
    handles = [
        Line2D(
            [],
            [],
            color=appearance.colour,
            linewidth=appearance.width,
            marker=appearance.marker if marked else "",
            markersize=appearance.marker_size,
            label=_words(appearance, trials, job),
        )
        for appearance, trials in by_appearance(job).items()
    ]
    if marked and (late := sum(trial.late > 0 for trial in job.trials)):
        label = f"after the decision, not counted ({late})"
        handles.append(Line2D([], [], color=GREY, linewidth=0.8, linestyle=":", label=label))
    axes.legend(
        handles=handles,
        frameon=False,
        fontsize=10,
        loc="lower left",
        bbox_to_anchor=above(axes),
        ncols=5,
        columnspacing=2,
    )


def above(axes: Axes) -> tuple[float, float]:
    """Return the position of a legend above the axes and above the axis factor (see `_OFFSET`)."""
    formatter = axes.yaxis.get_major_formatter()
    formatter.format_ticks(list(axes.get_yticks()))
    return 0, 1 + (_OFFSET if formatter.get_offset() else 0)


def _words(appearance: Appearance, trials: Sequence[TrialResult], job: JobResult) -> str:
    if appearance is Appearance.BEST:
        label = trial_label(trials[0].name, job.name)
        return f"best: trial {label}, {number(trials[0].best)}"
    return f"{appearance.value} ({len(trials)})"
