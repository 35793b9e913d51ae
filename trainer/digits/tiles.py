"""Tiles of pixels, which let the first layer omit most of its multiplications by 0.

A pixel of an image is *dark* if its value is 0, and *lit* otherwise. Most pixels of an image are
dark, and the pixels near the edges are dark in almost all images. This module divides the pixels
into groups, the *tiles*. The first tile contains the pixels that are lit in many images. The last
tile contains the pixels that are lit in few images.

An image *reaches* a tile if a pixel of this tile or of a later tile is lit. The images of a batch
are sorted: images that reach the last tiles come first. The images that reach a tile are therefore
the first images of the batch. Only the pixels of these images are multiplied with the weights of
the tile. In all remaining images of the batch, every pixel of this tile is dark, and the products
would be 0. The *rows* of a tile are the number of images that are multiplied with the tile.

To choose the tiles, the pixels are first divided into *divisions* of 64 pixels. A tile is one or
more consecutive divisions.
"""

import math

import numpy as np

from digits.data import Bytes

#: Number of float32 numbers in the widest vector registers (AVX-512).
_VECTOR = 16
#: Number of pixels in a division. XLA's library multiplies matrices in blocks of this size.
_BLOCK = 64
#: Maximum size (pixels times rows) of a product that one core computes alone. XLA distributes
#: larger products over the cores, and then one core waits for the other core.
_LARGEST = 320 * 64
#: `_LARGEST` does not limit tiles with at most this number of pixels. In a large batch, even the
#: product of such a narrow tile is larger than `_LARGEST`. Narrower tiles would not help.
_WIDEST = 320
#: Cost of one more tile, apart from its products. One more tile costs as much as
#: the multiplication of this number of pixels in every image of a batch.
_OVERHEAD = 32
#: A number of images. In all batches with fewer images, one more tile costs as much as in a batch
#: with this number of images.
_SMALL_BATCH = 64
#: Maximum number of images that are examined to find pixels that are rarely lit.
_SAMPLE = 4096
#: Numbers of rows are rounded up to a multiple of this number.
_ROUNDING = 4
#: Use several tiles only if they need less than this share of the multiplications of one tile. In a
#: measurement with a share of 0.86, one tile was as fast as several tiles.
_WORTH_IT = 0.85


class Tiles:
    """The tiles for a set of training images and a batch size.

    Attributes:
        pixels: The indices of the pixels of each tile, (pixels,). Pixels that are dark in every
            image add nothing to a sum and get no gradient. Therefore nearly all of these pixels
            belong to no tile. In MNIST, one pixel of twelve is dark in every image.
        rows: The planned number of images of a batch that are multiplied with each tile. Only one
            epoch in thousands of epochs needs a larger number.

    Args:
        images: The training images, (count, 784).
        batch_size: Number of images in a batch.
        whole: Whether to use one tile for all pixels, which is the fastest choice for a GPU. For
            small batches, and for images with few dark pixels, one tile is used in any case.
    """

    def __init__(self, images: Bytes, batch_size: int, *, whole: bool = False) -> None:
        self._batch_size = batch_size
        pixels = _from_the_most_needed(images)
        ends = [len(pixels)] if whole else [*range(_BLOCK, len(pixels), _BLOCK), len(pixels)]
        reaches = _reaches(images.take(pixels, axis=1), ends)
        rows = [_rows(batch_size, float(np.mean(reaches >= i))) for i in range(len(ends))]
        lasts = _cheapest(ends, rows)
        if not _is_worth_it(ends, rows, lasts):
            lasts = [len(ends) - 1]
        self.pixels = np.split(pixels, [ends[last] for last in lasts[:-1]])
        self.rows = tuple(rows[first] for first in [0, *(last + 1 for last in lasts[:-1])])
        # Convert the last reached division of each image into the last reached tile.
        self._reaches = np.searchsorted(lasts, reaches)

    def batches(self, order: np.ndarray) -> np.ndarray:
        """Return the indices of the images of each batch, (batches, images of a batch).

        In each batch, the images that reach the last tiles come first.

        Args:
            order: The indices of the images in the order of the epoch, (images,).
        """
        whole = len(order) // self._batch_size * self._batch_size
        batches = order[:whole].reshape(-1, self._batch_size)
        furthest_first = (-self._reaches[batches]).argsort(axis=1, kind="stable")
        return np.take_along_axis(batches, furthest_first, axis=1)

    def rows_for(self, batches: np.ndarray) -> tuple[int, ...]:
        """Return the number of images to multiply with each tile: `rows`, or more if needed.

        The result depends only on these batches. An epoch therefore does not depend on earlier
        epochs.
        """
        reaches = self._reaches[batches]
        found = [int((reaches >= i).sum(axis=1).max()) for i in range(len(self.rows))]
        return tuple(
            max(planned, _rounded(rows, self._batch_size))
            for planned, rows in zip(self.rows, found, strict=True)
        )


def _from_the_most_needed(images: Bytes) -> np.ndarray:
    """Return the pixels that are lit in any image, in an order that is good for tiles.

    In many images, all pixels at the end of this order are dark. The function chooses the pixels of
    this order from the last to the first. The last pixel is lit in the fewest images. These images
    are then ignored. The second-to-last pixel is lit in the fewest of the remaining images, and so
    on. The choice ends when half of the images are ignored. The pixels that were not
    chosen come first, in their original order. If the number of pixels is not a multiple of
    `_VECTOR`, the function appends pixels that are dark in every image.
    """
    lit = np.flatnonzero(images.any(axis=0))
    missing = -len(lit) % _VECTOR if len(lit) else _VECTOR
    filled = np.setdiff1d(np.arange(images.shape[1]), lit)[:missing]
    lights = images[:: -(-len(images) // _SAMPLE)][:, lit].T > 0
    sums = lights.sum(axis=1)
    unmet = np.ones(lights.shape[1], bool)
    last: list[int] = []
    while 2 * unmet.sum() > len(unmet) and len(last) < len(lit):
        rarest = int(sums.argmin())
        met = unmet & lights[rarest]
        sums -= lights[:, met].sum(axis=1)
        sums[rarest] = len(unmet) + 1
        unmet &= ~met
        last.append(rarest)
    first = np.setdiff1d(np.arange(len(lit)), last)
    return np.concatenate([lit[first], lit[last[::-1]], filled])


def _reaches(images: Bytes, ends: list[int]) -> np.ndarray:
    """Return, for each image, the index of the last division with a lit pixel, (count,).

    Args:
        images: The images, (count, pixels), with the pixels in the order of the divisions.
        ends: The end of each division, as an index of a pixel.
    """
    # Read eight pixels as one number of 64 bits. This is possible because each division ends at a
    # multiple of `_VECTOR`, and therefore at a multiple of 8.
    words = np.ascontiguousarray(images).view(np.uint64)
    starts = [start // 8 for start in (0, *ends[:-1])]
    is_lit = np.bitwise_or.reduceat(words, starts, axis=1) != 0
    # Treat an image without lit pixels like an image that reaches the first division.
    is_lit[:, 0] = True
    return np.asarray(len(ends) - 1 - is_lit[:, ::-1].argmax(axis=1))


def _rows(batch_size: int, share: float) -> int:
    """Return the planned number of images of a batch to multiply with a tile.

    The number of images that reach the tile differs from batch to batch. The planned number is 4.5
    standard deviations and 3 images above the mean. Almost no batch needs a larger number.

    Args:
        batch_size: Number of images in a batch.
        share: The share of all images that reaches the tile.
    """
    mean = batch_size * share
    deviation = math.sqrt(mean * (1 - share))
    return _rounded(mean + 4.5 * deviation + 3, batch_size) if share < 1 else batch_size


def _rounded(rows: float, batch_size: int) -> int:
    return min(batch_size, _ROUNDING * math.ceil(rows / _ROUNDING))


def _is_one_product(pixels: int, rows: int) -> bool:
    return pixels <= _WIDEST or pixels * rows <= _LARGEST


def _is_worth_it(ends: list[int], rows: list[int], lasts: list[int]) -> bool:
    """Return whether several tiles omit enough multiplications to be faster than one tile."""
    firsts = [0, *(last + 1 for last in lasts[:-1])]
    begins = [0, *(ends[last] for last in lasts[:-1])]
    needed = sum(
        (ends[last] - begin) * rows[first]
        for first, last, begin in zip(firsts, lasts, begins, strict=True)
    )
    return needed < _WORTH_IT * ends[-1] * rows[0]


def _cheapest(ends: list[int], rows: list[int]) -> list[int]:
    """Return the last division of each tile, for the tiles with the lowest total cost.

    Args:
        ends: The end of each division, as an index of a pixel.
        rows: The number of images of a batch that are multiplied with each division.
    """
    overhead = _OVERHEAD * max(rows[0], _SMALL_BATCH)
    begins = [0, *ends[:-1]]
    # costs[i] is the lowest cost of tiles for the divisions 0 to i. The last of these tiles
    # consists of the divisions firsts[i] to i.
    costs: list[float] = []
    firsts: list[int] = []
    for last, end in enumerate(ends):
        found = [
            ((costs[first - 1] if first else 0) + (end - begins[first]) * rows[first], first)
            for first in range(last + 1)
            if first == last or _is_one_product(end - begins[first], rows[first])
        ]
        cost, first = min(found, key=lambda pair: (pair[0], -pair[1]))
        costs.append(cost + overhead)
        firsts.append(first)
    lasts = [len(ends) - 1]
    while first := firsts[lasts[0]]:
        lasts.insert(0, first - 1)
    return lasts
