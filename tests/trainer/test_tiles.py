from itertools import combinations

import numpy as np
import pytest

from digits import tiles
from digits.data import load
from digits.tiles import Tiles
from digits.training import epoch_order


def sparse(count=400, seed=0) -> np.ndarray:
    """Return images with pixels that many images light, few images light, and no image lights."""
    dice = np.random.default_rng(seed)
    lit = dice.random((count, 784)) < 0.3
    lit[:, :60] = False
    lit[:, 448:] &= dice.random((count, 1)) < 0.1
    return dice.integers(1, 256, lit.shape, dtype=np.uint8) * lit[:, dice.permutation(784)]


def test_every_lit_pixel_is_in_one_tile_and_few_dark_ones_are():
    images = sparse()
    pixels = np.concatenate(Tiles(images, 64).pixels)
    lit = np.flatnonzero(images.any(axis=0))
    assert len(set(pixels)) == len(pixels) < len(lit) + 16
    assert set(lit) <= set(pixels)
    assert len(pixels) % 16 == 0


@pytest.mark.parametrize("batch_size", [1, 7, 32, 64, 400])
def test_images_beyond_a_tiles_rows_are_dark_in_it(batch_size):
    images = sparse()
    division = Tiles(images, batch_size)
    for epoch in range(5):
        order = epoch_order(0, epoch, len(images))
        batches = division.batches(order)
        expected = order[: batches.size].reshape(batches.shape)
        assert (np.sort(batches, axis=1) == np.sort(expected, axis=1)).all()
        rows = division.rows_for(batches)
        assert rows[0] == batch_size
        for pixels, seen in zip(division.pixels, rows, strict=True):
            assert not images[batches[:, seen:]][..., pixels].any()


def test_digits_need_seven_tenths_of_the_multiplications(sample):
    training, _ = load(sample)
    division = Tiles(training.images, 512)
    needed = sum(len(own) * rows for own, rows in zip(division.pixels, division.rows, strict=True))
    assert needed < 0.7 * 784 * 512


def test_an_epoch_that_needs_more_rows_gets_them():
    images = sparse()
    division = Tiles(images, 64)
    usual = division.batches(epoch_order(0, 1, len(images)))
    furthest = images[:, division.pixels[-1]].any(axis=1)
    crowd = np.argsort(~furthest, kind="stable")[:64]
    found = furthest[crowd].sum()
    assert found > division.rows[-1]
    assert found <= division.rows_for(division.batches(crowd))[-1] < found + 4
    assert division.rows_for(usual) == division.rows


def test_images_without_dark_pixels_are_multiplied_whole():
    images = np.full((100, 784), 9, np.uint8)
    assert set(Tiles(images, 32).rows) == {32}


def test_digits_in_small_batches_are_one_tile(sample):
    training, _ = load(sample)
    assert Tiles(training.images, 16).rows == (16,)


def test_dark_images_are_allowed():
    division = Tiles(np.zeros((100, 784), np.uint8), 32)
    assert division.batches(epoch_order(0, 1, 100)).shape == (3, 32)


def test_a_gpu_gets_one_tile():
    division = Tiles(sparse(), 64, whole=True)
    assert len(division.pixels) == 1
    assert division.rows == (64,)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_division_costs_less(seed):
    dice = np.random.default_rng(seed)
    ends = list(np.cumsum(64 * dice.integers(1, 3, 6)))
    rows = sorted(map(int, dice.integers(1, 65, 6)), reverse=True)

    def cost(lasts) -> float:
        begins = [0, *(ends[last] for last in lasts[:-1])]
        firsts = [0, *(last + 1 for last in lasts[:-1])]
        sizes = [ends[last] - begin for begin, last in zip(begins, lasts, strict=True)]
        products = [(size, rows[first]) for size, first in zip(sizes, firsts, strict=True)]
        if not all(tiles._is_one_product(*product) for product in products):
            return np.inf
        return sum(size * seen for size, seen in products) + 32 * 64 * len(products)

    choices = [[*some, 5] for size in range(6) for some in combinations(range(5), size)]
    assert cost(tiles._cheapest(ends, rows)) == min(map(cost, choices))
