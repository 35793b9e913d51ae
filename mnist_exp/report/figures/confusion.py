"""The confusion matrix: for each actual digit, how often the model predicted each digit."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from mnist_exp.report.figures.canvas import BLUE, GREY, INK, VERMILLION, new_figure, save
from mnist_exp.report.format import plain

_RIGHT = LinearSegmentedColormap.from_list("right", ["white", BLUE])
_WRONG = LinearSegmentedColormap.from_list("wrong", ["white", VERMILLION])
#: Cells whose colour intensity (0 to 1) is above this value have white numbers.
_DARK = 0.6
#: Maximum number of classes for which each cell shows its count.
_MAX_ANNOTATED = 30


def confusion_matrix(
    counts: npt.ArrayLike, classes: Sequence[object], name: str, path: Path
) -> Path:
    """Draw, for each actual class, how often the model predicted each class.

    Right predictions (the diagonal) are blue, and wrong predictions are orange. The intensity of a
    cell's colour is the square root of the cell's share of its row. Without the square root, a few
    errors among hundreds of digits would look white.

    Args:
        counts: Shape (k, k); rows are actual classes, columns are predicted classes.
        classes: The names of the k classes.
        name: The name of the job whose model is evaluated.
        path: The file to write.

    Returns:
        `path`.

    Raises:
        OutputsError: The file cannot be written.
        ValueError: `counts` is not k by k.
    """
    table = np.asarray(counts)
    size = len(classes)
    if table.shape != (size, size):
        raise ValueError(f"counts must be {size} x {size} for {size} classes, got {table.shape}")
    right, total = int(table.trace()), int(table.sum())
    accuracy = f"{right / total:.4f}" if total else "-"
    side = max(6.4, 0.56 * min(size, _MAX_ANNOTATED) + 1.6)
    subtitle = plain(f"{name} · {right:,} of {total:,} right")
    figure = new_figure(side, side, f"Accuracy {accuracy}", subtitle)
    axes = figure.subplots()
    shares = np.sqrt(table / np.maximum(table.sum(axis=1, keepdims=True), 1))
    colours = np.where(np.eye(size, dtype=bool)[..., None], _RIGHT(shares), _WRONG(shares))
    axes.pcolormesh(colours, edgecolors="#d0d7de", linewidth=0.6)
    axes.set(aspect="equal")
    axes.invert_yaxis()
    if size <= _MAX_ANNOTATED:
        _annotate(axes, table, shares)
    _label(axes, [plain(str(name)) for name in classes])
    return save(figure, path)


def _annotate(axes: Axes, table: npt.NDArray[np.int64], shares: npt.NDArray[np.float64]) -> None:
    for row, column in np.argwhere(table > 0):
        axes.text(
            column + 0.5,
            row + 0.5,
            f"{table[row, column]}",
            ha="center",
            va="center",
            fontsize=10 if table.max() < 1000 else 8,
            fontweight="bold" if row == column else "normal",
            color="white" if shares[row, column] > _DARK else INK,
            in_layout=False,
        )


def _label(axes: Axes, names: Sequence[str]) -> None:
    ticks = np.arange(len(names)) + 0.5
    long_names = max(map(len, names), default=0) > 3
    axes.set_xticks(ticks, names, rotation=90 if long_names else 0, parse_math=False)
    axes.set_yticks(ticks, names, parse_math=False)
    axes.tick_params(length=0, labelsize=10, colors=INK)
    axes.spines[:].set_color(GREY)
    axes.set_xlabel("predicted", fontsize=11, color=INK)
    axes.set_ylabel("actual", fontsize=11, color=INK)
