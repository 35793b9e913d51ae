"""The tutorial's last figure: digits with the predictions of the endpoint."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mnist_exp.report.figures.canvas import INK, new_figure, save
from mnist_exp.report.format import accuracy_interval, plain

#: The red of the tutorial. Colour-blind people can distinguish this red from black.
_RED = "#e5000b"
_SIDE = 28
_GAP = 4
#: Height in pixels of the space above a digit, for the prediction.
_ABOVE = 15
#: Height in pixels of the space below a digit, for the label.
_BELOW = 13
_PER_ROW = 10
_PIXELS_PER_INCH = 46


def predictions(
    images: npt.NDArray[np.uint8],
    predicted: Sequence[object],
    actual: Sequence[object] | None,
    name: str,
    path: Path,
) -> Path:
    """Draw digits in rows of 10. Above each digit is its prediction.

    A wrong prediction is red. Its digit is inverted (white on black), and the label (the right
    answer) is below the digit.

    Args:
        images: Shape (n, 784), with pixels from 0 (background) to 255.
        predicted: The n answers of the endpoint.
        actual: The n labels. If None, the labels are unknown, and no prediction is drawn as wrong.
        name: The name of the endpoint.
        path: The file to write.

    Returns:
        `path`.

    Raises:
        OutputsError: The file cannot be written.
        ValueError: The lengths differ, or there are no digits.
    """
    truth = predicted if actual is None else actual
    count = len(images)
    if not count or len(predicted) != count or len(truth) != count:
        raise ValueError(
            f"there must be one prediction and one label for each image, got {count} images, "
            f"{len(predicted)} predictions and {len(truth)} labels"
        )
    wrong = [str(a) != str(b) for a, b in zip(predicted, truth, strict=True)]
    columns, rows = min(count, _PER_ROW), math.ceil(count / _PER_ROW)
    width, height = columns * (_SIDE + _GAP) + _GAP, rows * (_ABOVE + _SIDE + _BELOW)
    title, subtitle = "Predictions", name
    if actual is not None:
        right = count - sum(wrong)
        title, subtitle = f"{right} of {count} right", f"{name} · {accuracy_interval(right, count)}"
    figure = new_figure(
        max(width / _PIXELS_PER_INCH, 4) + 0.2,
        height / _PIXELS_PER_INCH + 0.8,
        title,
        plain(subtitle),
    )
    axes = figure.subplots()
    axes.set_axis_off()
    # Draw all digits as one image. To draw each digit in its own axes would take minutes.
    sheet = np.full((height, width), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = _corner(index)
        picture = image.reshape(_SIDE, _SIDE)
        sheet[top : top + _SIDE, left : left + _SIDE] = picture if wrong[index] else 255 - picture
        colour, middle = (_RED if wrong[index] else INK), left + (_SIDE - 1) / 2
        axes.text(
            middle,
            top - 2,
            plain(str(predicted[index])),
            fontsize=15,
            color=colour,
            ha="center",
            va="bottom",
            parse_math=False,
        )
        if wrong[index]:
            axes.text(
                middle,
                top + _SIDE + 1,
                f"is {plain(str(truth[index]))}",
                fontsize=11,
                color=_RED,
                ha="center",
                va="top",
                parse_math=False,
            )
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    return save(figure, path)


def _corner(index: int) -> tuple[int, int]:
    row, column = divmod(index, _PER_ROW)
    return row * (_ABOVE + _SIDE + _BELOW) + _ABOVE, column * (_SIDE + _GAP) + _GAP
