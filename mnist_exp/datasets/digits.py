"""Digits from a folder: check all files, or read the test digits."""

from pathlib import Path

import numpy as np

from mnist_exp.datasets.files import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    find_files,
)
from mnist_exp.datasets.idx import Bytes, read_images, read_labels
from mnist_exp.errors import DataError


def validate_folder(folder: Path, key: str = "data.path") -> dict[str, int]:
    """Read all four files, and raise an error if one is missing or damaged or lacks labels.

    Args:
        folder: The folder, which is searched recursively.
        key: The config key that an error names.

    Returns:
        The numbers of digits in `train` and in `test`.

    Raises:
        DataError: A file is missing or damaged. The error is one line that names each such file.
    """
    files = find_files(folder, key)
    counts: dict[str, int] = {}
    faults: list[str] = []
    for part, images, labels in (
        ("train", TRAIN_IMAGES, TRAIN_LABELS),
        ("test", TEST_IMAGES, TEST_LABELS),
    ):
        try:
            counts[part] = len(_read_pair(files[images], files[labels])[0])
        except DataError as error:
            faults.append(str(error))
    if faults:
        raise DataError(f"{key}: {'; '.join(faults)}")
    return counts


def test_digits(folder: Path, key: str = "data.path") -> tuple[Bytes, Bytes]:
    """Read the test digits of a folder.

    Returns:
        Images, shape (n, 784), with pixels from 0 to 255; and their labels, shape (n,).

    Raises:
        DataError: A file is missing or damaged.
    """
    files = find_files(folder, key)
    return _read_pair(files[TEST_IMAGES], files[TEST_LABELS])


# Without this, pytest collects the function as a test in each module that imports it.
test_digits.__test__ = False  # type: ignore[attr-defined]


def sample_digits(folder: Path, n: int, seed: int) -> tuple[Bytes, Bytes]:
    """Draw `n` different test digits; the same seed draws the same digits.

    Returns:
        Images, shape (n, 784), with pixels from 0 to 255; and their labels, shape (n,).

    Raises:
        DataError: A file is missing or damaged, or there are fewer than `n` digits.
    """
    images, labels = test_digits(folder)
    if not 1 <= n <= len(labels):
        raise DataError(
            f"endpoint.samples: must be 1 to {len(labels)}, the test digits of {folder}, got {n}"
        )
    chosen = np.random.default_rng(seed).choice(len(labels), size=n, replace=False)
    return images[chosen], labels[chosen]


def _read_pair(images_path: Path, labels_path: Path) -> tuple[Bytes, Bytes]:
    images, labels = read_images(images_path), read_labels(labels_path)
    if len(images) != len(labels):
        raise DataError(
            f"{labels_path}: must have one label for each of the {len(images)} images of "
            f"{images_path.name}, got {len(labels)}"
        )
    return images, labels
