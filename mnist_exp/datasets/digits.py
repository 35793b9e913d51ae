"""Functions that check MNIST's four files in a folder, and read the test digits."""

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


def validate_folder(folder: Path) -> dict[str, int]:
    """Check that no file is missing or damaged, and that every image has a label.

    Args:
        folder: The folder with the files. Subfolders are searched too.

    Returns:
        `train` and `test` -> number of digits.

    Raises:
        DataError: A file is missing or damaged. The message is one line with all faults.
    """
    files = find_files(folder)
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
        raise DataError(f"data.path: {'; '.join(faults)}")
    return counts


def test_digits(folder: Path) -> tuple[Bytes, Bytes]:
    """Read the test digits of a folder.

    Returns:
        The images, shape (n, 784), with pixels from 0 to 255, and the labels, shape (n,).

    Raises:
        DataError: A file is missing or damaged.
    """
    files = find_files(folder)
    return _read_pair(files[TEST_IMAGES], files[TEST_LABELS])


# Without this attribute, pytest would collect `test_digits` as a test in other modules.
test_digits.__test__ = False  # type: ignore[attr-defined]


def sample_digits(folder: Path, n: int, seed: int) -> tuple[Bytes, Bytes]:
    """Choose `n` different test digits at random. The same seed gives the same digits.

    Returns:
        The images, shape (n, 784), with pixels from 0 to 255, and the labels, shape (n,).

    Raises:
        DataError: A file is missing or damaged, or there are fewer than `n` digits.
    """
    images, labels = test_digits(folder)
    if not 1 <= n <= len(labels):
        raise DataError(
            f"endpoint.samples: must be 1 to {len(labels)}, the number of test digits in {folder}, "
            f"got {n}"
        )
    chosen = np.random.default_rng(seed).choice(len(labels), size=n, replace=False)
    return images[chosen], labels[chosen]


def _read_pair(images_path: Path, labels_path: Path) -> tuple[Bytes, Bytes]:
    images, labels = read_images(images_path), read_labels(labels_path)
    if len(images) != len(labels):
        raise DataError(
            f"{labels_path}: must have one label for each of the {len(images)} images of "
            f"{images_path.name}, got {len(labels)} labels"
        )
    return images, labels
