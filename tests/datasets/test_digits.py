import gzip
from pathlib import Path

import numpy as np
import pytest

from mnist_exp.datasets import digits
from mnist_exp.datasets.files import NAMES, TEST_LABELS, TRAIN_IMAGES
from mnist_exp.errors import DataError


def test_an_intact_folder_is_counted(idx_folder: Path):
    assert digits.validate_folder(idx_folder) == {"train": 20, "test": 10}


def test_every_fault_is_named_in_one_line(idx_folder: Path, contents: dict[str, bytes]):
    (idx_folder / TRAIN_IMAGES).write_bytes(gzip.compress(contents[TRAIN_IMAGES][:-1]))
    (idx_folder / TEST_LABELS).write_bytes(gzip.compress(contents[NAMES[1]]))
    with pytest.raises(DataError) as caught:
        digits.validate_folder(idx_folder)
    text = str(caught.value)
    assert text.startswith("data.path: ")
    assert f"{TRAIN_IMAGES}: truncated" in text
    assert f"{TEST_LABELS}: must have one label for each of the 10 images" in text
    assert len(caught.value.lines) == 1
    assert "\n" not in text


def test_the_test_part_is_read(idx_folder: Path):
    images, labels = digits.test_digits(idx_folder)
    assert images.shape == (10, 784)
    assert labels.tolist() == list(range(10))


def test_a_seed_draws_the_same_different_digits(idx_folder: Path):
    images, labels = digits.sample_digits(idx_folder, 6, seed=3)
    again, same = digits.sample_digits(idx_folder, 6, seed=3)
    _, other = digits.sample_digits(idx_folder, 6, seed=4)
    assert (images == again).all()
    assert labels.tolist() == same.tolist() != other.tolist()
    assert len(set(labels.tolist())) == 6
    all_images, _ = digits.test_digits(idx_folder)
    assert (images == all_images[labels]).all()
    assert images.dtype == np.uint8


@pytest.mark.parametrize("n", [0, -1, 11])
def test_more_digits_than_there_are_is_an_error(idx_folder: Path, n: int):
    with pytest.raises(DataError, match=rf"endpoint\.samples: must be 1 to 10, .* got {n}"):
        digits.sample_digits(idx_folder, n, seed=0)
