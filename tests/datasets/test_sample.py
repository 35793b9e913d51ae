from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mnist_exp.datasets import digits, idx
from mnist_exp.datasets.files import NAMES, TRAIN_IMAGES, TRAIN_LABELS
from mnist_exp.datasets.sample import write_sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("cache") / "sample")


def test_every_digit_is_split_four_to_one(sample: Path):
    assert digits.validate_folder(sample) == {"train": 4000, "test": 1000}
    assert np.bincount(idx.read_labels(sample / TRAIN_LABELS)).tolist() == [400] * 10
    assert np.bincount(digits.test_digits(sample)[1]).tolist() == [100] * 10


def test_no_image_is_in_both_parts(sample: Path):
    train = {image.tobytes() for image in idx.read_images(sample / TRAIN_IMAGES)}
    test = {image.tobytes() for image in digits.test_digits(sample)[0]}
    assert len(train | test) == 5000


def test_the_classes_are_mixed(sample: Path):
    labels = idx.read_labels(sample / TRAIN_LABELS)
    assert len(set(labels[:100].tolist())) == 10


def test_pictures_go_with_their_labels(sample: Path):
    images = idx.read_images(sample / TRAIN_IMAGES).astype(float)
    labels = idx.read_labels(sample / TRAIN_LABELS)
    means = np.stack([images[labels == digit].mean(axis=0) for digit in range(10)])
    test, actual = digits.test_digits(sample)
    distances = ((test[:, None, :] - means) ** 2).sum(axis=2)
    assert (distances.argmin(axis=1) == actual).mean() > 0.75


def test_whole_files_are_kept_and_damaged_ones_replaced(sample: Path):
    before = {name: (sample / name).read_bytes() for name in NAMES}
    stamp = (sample / TRAIN_IMAGES).stat().st_mtime_ns
    write_sample(sample)
    assert (sample / TRAIN_IMAGES).stat().st_mtime_ns == stamp
    (sample / TRAIN_IMAGES).write_bytes(before[TRAIN_IMAGES][:1000])
    (sample / TRAIN_LABELS).unlink()
    write_sample(sample)
    assert {name: (sample / name).read_bytes() for name in NAMES} == before


def test_several_callers_at_once_agree(sample: Path, tmp_path: Path):
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(write_sample, [tmp_path / "sample"] * 4))
    assert set(folders) == {tmp_path / "sample"}
    assert sorted(path.name for path in folders[0].iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert (folders[0] / name).read_bytes() == (sample / name).read_bytes()
