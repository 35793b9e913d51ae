"""Tiles of pixels, which leave out most of the first layer's multiplications by 0.

Most pixels of a digit are 0, and those near the edges are 0 in almost all images. The pixels are
divided into tiles: the first tile has the pixels that many images light, the last tile those that
few images light. A batch is sorted by the last tile that each image reaches. Each tile is then
multiplied with the first images of the batch only. For all other images its products would be 0.
"""

import math

import numpy as np

from digits.data import Bytes

#: Float32 numbers in the widest vector registers, those of AVX-512.
_VECTOR = 16
#: Pixels in a division; XLA's library multiplies matrices in blocks of such multiples.
_BLOCK = 64
#: Pixels times rows of the largest product that one core computes alone. XLA spreads larger
#: products over the cores, and then one core waits for the other.
_LARGEST = 320 * 64
#: Pixels of the widest tile whose product may be larger: in large batches every product is larger,
#: and narrow tiles would not help.
_WIDEST = 320
#: Cost of a tile beside its products, in pixels of all images of a batch.
_OVERHEAD = 32
#: The smallest batch size that `_OVERHEAD` is counted for.
_SMALL_BATCH = 64
#: Number of images that show which pixels are rarely lit.
_SAMPLE = 4096
#: Rows are rounded up to a multiple of this.
_ROUNDING = 4
#: Largest share of the multiplications with which tiles pay off. At 0.86, one tile was as fast.
_WORTH_IT = 0.85


class Tiles:
    """A division of the pixels, for training images and a batch size.

    Attributes:
        pixels: (pixels,) for each tile: the indices of its pixels. Pixels that are 0 in every image
            are in no tile: they add nothing to a sum and get no gradient. In MNIST these are one
            pixel in twelve.
        rows: For each tile, the number of images of a batch that are multiplied with it. It is
            enough for all but one epoch in thousands.

    Args:
        images: (count, 784) training images.
        batch_size: Images in a batch.
        whole: Make one tile of all pixels, which is best for a GPU. Images with few dark pixels
            and small batches get one tile too.
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
        # From here on reaches count tiles: a tile may have several divisions.
        self._reaches = np.searchsorted(lasts, reaches)

    def batches(self, order: np.ndarray) -> np.ndarray:
        """Return the batches of an epoch, (batches, images), images that reach furthest first.

        Args:
            order: (images,): the order in which the epoch sees them.
        """
        whole = len(order) // self._batch_size * self._batch_size
        batches = order[:whole].reshape(-1, self._batch_size)
        furthest_first = (-self._reaches[batches]).argsort(axis=1, kind="stable")
        return np.take_along_axis(batches, furthest_first, axis=1)

    def rows_for(self, batches: np.ndarray) -> tuple[int, ...]:
        """Return for each tile the number of images to multiply: `rows`, or more if needed.

        The result depends on these batches alone, so that an epoch does not depend on earlier ones.
        """
        reaches = self._reaches[batches]
        found = [int((reaches >= i).sum(axis=1).max()) for i in range(len(self.rows))]
        return tuple(
            max(planned, _rounded(rows, self._batch_size))
            for planned, rows in zip(self.rows, found, strict=True)
        )


def _from_the_most_needed(images: Bytes) -> np.ndarray:
    """Return the lit pixels in an order that leaves as many images as possible dark at its end.

    The order is built from its end: first the pixel that the fewest images light, then the pixel
    that the fewest of the other images light, until half of the images light a chosen pixel.
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
    """Return (count,): the division, from 0, with the last lit pixel of each image.

    Args:
        images: (count, pixels), the most needed pixel first.
        ends: The end of each division.
    """
    # Eight pixels are read at a time: divisions end at multiples of a vector.
    words = np.ascontiguousarray(images).view(np.uint64)
    starts = [start // 8 for start in (0, *ends[:-1])]
    is_lit = np.bitwise_or.reduceat(words, starts, axis=1) != 0
    # An image that is dark everywhere counts as one that reaches the first division.
    is_lit[:, 0] = True
    return np.asarray(len(ends) - 1 - is_lit[:, ::-1].argmax(axis=1))


def _rows(batch_size: int, share: float) -> int:
    """Return the images of a batch to plan for, if this share of all images reaches a tile."""
    mean = batch_size * share
    deviation = math.sqrt(mean * (1 - share))
    return _rounded(mean + 4.5 * deviation + 3, batch_size) if share < 1 else batch_size


def _rounded(rows: float, batch_size: int) -> int:
    return min(batch_size, _ROUNDING * math.ceil(rows / _ROUNDING))


def _is_one_product(pixels: int, rows: int) -> bool:
    return pixels <= _WIDEST or pixels * rows <= _LARGEST


def _is_worth_it(ends: list[int], rows: list[int], lasts: list[int]) -> bool:
    """Return whether the tiles leave out enough to pay for more and smaller products."""
    firsts = [0, *(last + 1 for last in lasts[:-1])]
    begins = [0, *(ends[last] for last in lasts[:-1])]
    needed = sum(
        (ends[last] - begin) * rows[first]
        for first, last, begin in zip(firsts, lasts, begins, strict=True)
    )
    return needed < _WORTH_IT * ends[-1] * rows[0]


def _cheapest(ends: list[int], rows: list[int]) -> list[int]:
    """Return the last division of each tile, for the tiles that cost least.

    Args:
        ends: The end of each division.
        rows: For each division, the images of a batch that are multiplied with it.
    """
    overhead = _OVERHEAD * max(rows[0], _SMALL_BATCH)
    begins = [0, *ends[:-1]]
    # For each division: the least cost of tiles that end there, and the first division of the
    # last of these tiles.
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
