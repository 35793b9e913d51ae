"""Colours and functions that all figures use: create a figure, style its axes, write its file.

Figures are created without pyplot. pyplot would keep every figure in memory, and would look for a
graphical display.
"""

import math
import os
import tempfile
import warnings
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import MaxNLocator

from mnist_exp.errors import OutputsError
from mnist_exp.metrics import MetricPoint
from mnist_exp.report.epochs import HorizontalAxis

# Colours that colour-blind people can distinguish: https://jfly.uni-koeln.de/color/
BLUE = "#0072B2"
VERMILLION = "#D55E00"
_GREEN = "#009E73"
PINK = "#CC79A7"
_SKY = "#56B4E9"
_AMBER = "#E69F00"
INK = "#1f2328"
GREY = "#7d8590"
_PALE = "#e4e7eb"
_CYCLE = (BLUE, VERMILLION, _GREEN, PINK, _AMBER, _SKY, INK, GREY)
#: The line styles of curves. The next style begins when all colours are used.
_DASHES = ("-", "--", ":")
#: Maximum number of points of a curve with markers. More markers would overlap.
_MAX_MARKERS = 40

_COLUMNS = 3
_MAX_PANELS = 12
_DPI = 150
#: Largest absolute value that is drawn. With much larger values matplotlib's arithmetic overflows.
_LARGEST = 1e150


def new_figure(width: float, height: float, title: str, subtitle: str = "") -> Figure:
    """Return an empty figure of `width` by `height` inches with its title."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
    text = f"{title}\n" if subtitle else title
    figure.suptitle(text, fontsize=14, fontweight="bold", color=INK, parse_math=False)
    if subtitle:
        # matplotlib draws a title in only one font. Therefore the title has an empty second line,
        # and the subtitle is drawn over the empty line.
        figure.text(
            0.5,
            1 - 0.36 / height,
            subtitle,
            fontsize=9,
            color=GREY,
            ha="center",
            va="top",
            parse_math=False,
        )
    return figure


def new_panels(
    count: int, title: str, subtitle: str = "", legend_height: float = 0
) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with `count` panels, but at most `_MAX_PANELS`.

    Args:
        count: The number of metrics, or of groups of metrics.
        title: The title of the figure.
        subtitle: The second line of the title.
        legend_height: The height in inches of the legend below the panels.
    """
    count = min(count, _MAX_PANELS)
    columns = min(count, _COLUMNS) or 1
    rows = math.ceil(count / columns) or 1
    height = 0.9 + 3.4 * rows + legend_height
    figure = new_figure(max(5.2 * columns, 7), height, title, subtitle)
    if not count:
        note(figure, "No metric was logged.")
        return figure, ()
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid[count:]:
        axes.set_axis_off()
    return figure, grid[:count]


def draw_curves(
    axes: Axes,
    curves: Sequence[tuple[str, Sequence[MetricPoint]]],
    axis: HorizontalAxis,
    ylabel: str,
) -> None:
    """Draw curves, each with its label. Curves differ in their colours or line styles."""
    for index, (label, points) in enumerate(curves):
        # A script may log its steps in any order.
        curve = sorted(
            zip(axis.numbers[index], drawable_values(points), strict=True), key=itemgetter(0)
        )
        axes.plot(
            [x for x, _ in curve],
            [y for _, y in curve],
            color=_CYCLE[index % len(_CYCLE)],
            linestyle=_DASHES[index // len(_CYCLE) % len(_DASHES)],
            linewidth=2,
            marker="o",
            markersize=4 if len(points) <= _MAX_MARKERS else 0,
            label=label,
        )
    style(axes, axis.unit, ylabel)
    count_epochs(axes)


def plain_legend(legend: Legend) -> None:
    """Let a legend show its texts as written. matplotlib would draw `$x$` as a formula."""
    for text in legend.get_texts():
        text.set_parse_math(False)


def style(axes: Axes, xlabel: str = "", ylabel: str = "") -> None:
    """Label the axes, remove the upper and right border, and draw a pale grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(color=_PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(xlabel, fontsize=10, color=INK, parse_math=False)
    axes.set_ylabel(ylabel, fontsize=10, color=INK, parse_math=False)


def count_epochs(axes: Axes) -> None:
    """Put the ticks of a horizontal axis at round numbers, e.g. at 5, 10, 15 and 20."""
    locator = MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    axes.xaxis.set_major_locator(locator)
    # Epochs are counted from 1. Without a limit, matplotlib would also draw the tick of epoch 0.
    if axes.dataLim.x0 >= 1:
        axes.set_xlim(left=max(axes.get_xlim()[0], 0.5))


def drawable(value: object) -> bool:
    """Return whether a value is a number that can be drawn: not nan, and not (almost) infinite."""
    return isinstance(value, int | float) and abs(value) < _LARGEST


def drawable_values(points: Sequence[MetricPoint]) -> list[float]:
    """Return the values of points. NaN replaces each value that cannot be drawn."""
    return [point.value if drawable(point.value) else math.nan for point in points]


def note(figure: Figure, text: str) -> None:
    """Write a text into the figure instead of a drawing."""
    axes = figure.subplots()
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=12, color=GREY, parse_math=False)


def save(figure: Figure, path: Path) -> Path:
    """Write the figure in the format of the path's suffix, and return the path.

    Raises:
        OutputsError: The file cannot be written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file, warnings.catch_warnings():
            # If no font contains a character, matplotlib draws a box and warns. Hide this warning.
            warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
            # matplotlib would otherwise compute the layout again for each of its two drawings.
            if engine := figure.get_layout_engine():
                engine.execute(figure)
                figure.set_layout_engine(None)
            figure.savefig(file, format=path.suffix[1:])
        temporary.chmod(0o644)
        return temporary.replace(path)
    except OSError as error:
        raise OutputsError(f"{path}: cannot write the figure ({error.strerror})") from error
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)
