"""Which of the first layer's multiplications are needed: those by pixels that are not dark.

Most pixels of a digit are 0, those near the edges in almost all images. So the pixels are put into
tiles, from those that many images light to those that few do, and a batch is ordered by how far
into the tiles its images reach. A tile is then multiplied with the first few images of a batch
alone; for all others the products would be 0.
"""

import math

import numpy as np

from digits.idx import Bytes

# float32 numbers in the widest vector registers, AVX-512's.
_VECTOR = 16
# Multiples of this suit the blocks in which XLA's library multiplies matrices.
_BLOCK = 64
# Larger products are spread over the cores, although each core has work of its own: one then waits
# for the other. Batches of many images are so whatever their tiles; narrow ones would not help.
_LARGEST = 320 * 64
_WIDEST = 320
# What a tile costs beside its products, as so many pixels of all images of a batch more, at least
# of one with so many images.
_OVERHEAD = 32
_SMALL_BATCH = 64
# Enough images to know which pixels are rarely lit.
_SAMPLE = 4096
_ROUNDING = 4
# Of the multiplications, whatever is left out: with 0.86, tiles were no faster than one.
_WORTH_IT = 0.85


class Tiles:
    """A division of the pixels, for training images and a batch size.

    Attributes:
        pixels: (pixels,) for each tile: which ones it has. Those that are 0 in every image are in
            none: they add nothing to a sum and get no gradient; in MNIST that is one in twelve.
        rows: For each tile, how many images of a batch are multiplied with it: enough for all but
            one epoch in thousands.

    Args:
        images: (count, 784) training images.
        batch_size: How many of them make a batch.
        whole: One tile for all pixels and images, as is best for a GPU; images with few dark pixels
            and small batches get that too.
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
        # In tiles now: several divisions may have gone into one.
        self._reaches = np.searchsorted(lasts, reaches)

    def batches(self, order: np.ndarray) -> np.ndarray:
        """The batches of an epoch: (batches, images), those images first that reach furthest.

        Args:
            order: (images,): the order in which the epoch sees them.
        """
        whole = len(order) // self._batch_size * self._batch_size
        batches = order[:whole].reshape(-1, self._batch_size)
        furthest_first = (-self._reaches[batches]).argsort(axis=1, kind="stable")
        return np.take_along_axis(batches, furthest_first, axis=1)

    def rows_for(self, batches: np.ndarray) -> tuple[int, ...]:
        """For each tile how many images are multiplied with it: `rows`, or more if these need more.

        Depends on the batches alone, so that an epoch is the same whatever went before it.
        """
        reaches = self._reaches[batches]
        found = [int((reaches >= i).sum(axis=1).max()) for i in range(len(self.rows))]
        return tuple(
            max(planned, _rounded(rows, self._batch_size))
            for planned, rows in zip(self.rows, found, strict=True)
        )


def _from_the_most_needed(images: Bytes) -> np.ndarray:
    """The lit pixels; as many images as possible are dark in the last ones, whichever these are.

    From the end: the pixel that the fewest images light, then the one that the fewest of the others
    light, until half of the images have been met.
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
    """(count,): in which division, from 0, an image has its last lit pixel.

    Args:
        images: (count, pixels), from the most needed pixel on.
        ends: Where divisions end.
    """
    # Eight pixels at a time: divisions have multiples of a vector.
    words = np.ascontiguousarray(images).view(np.uint64)
    starts = [start // 8 for start in (0, *ends[:-1])]
    is_lit = np.bitwise_or.reduceat(words, starts, axis=1) != 0
    # An image that is dark everywhere counts as one that reaches the first division.
    is_lit[:, 0] = True
    return np.asarray(len(ends) - 1 - is_lit[:, ::-1].argmax(axis=1))


def _rows(batch_size: int, share: float) -> int:
    """How many images of a batch one may have to count with, if that share of all are such."""
    mean = batch_size * share
    deviation = math.sqrt(mean * (1 - share))
    return _rounded(mean + 4.5 * deviation + 3, batch_size) if share < 1 else batch_size


def _rounded(rows: float, batch_size: int) -> int:
    return min(batch_size, _ROUNDING * math.ceil(rows / _ROUNDING))


def _is_one_product(pixels: int, rows: int) -> bool:
    return pixels <= _WIDEST or pixels * rows <= _LARGEST


def _is_worth_it(ends: list[int], rows: list[int], lasts: list[int]) -> bool:
    """Whether tiles leave out so much that it pays for more and smaller products."""
    firsts = [0, *(last + 1 for last in lasts[:-1])]
    begins = [0, *(ends[last] for last in lasts[:-1])]
    needed = sum(
        (ends[last] - begin) * rows[first]
        for first, last, begin in zip(firsts, lasts, begins, strict=True)
    )
    return needed < _WORTH_IT * ends[-1] * rows[0]


def _cheapest(ends: list[int], rows: list[int]) -> list[int]:
    """The divisions that are the last of a tile, so that there is least to compute.

    Args:
        ends: Where divisions end.
        rows: How many images of a batch each is multiplied with.
    """
    overhead = _OVERHEAD * max(rows[0], _SMALL_BATCH)
    begins = [0, *ends[:-1]]
    # The least that tiles up to a division can cost, and where the last of them begins then.
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
