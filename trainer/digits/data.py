"""The digits: finding MNIST's files in a folder and holding out a part for validation."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digits.errors import DataError, SettingsError
from digits.idx import CLASSES, Bytes, read_images, read_labels

# Where people's copies differ: a dot for the dash, and unpacked files.
_NAMES = {
    what: tuple(f"{what}{dash}{kind}{ending}" for dash in ("-", ".") for ending in (".gz", ""))
    for what, kind in (
        ("train-images", "idx3-ubyte"),
        ("train-labels", "idx1-ubyte"),
        ("t10k-images", "idx3-ubyte"),
        ("t10k-labels", "idx1-ubyte"),
    )
}


@dataclass(frozen=True)
class Digits:
    """Images and what they show.

    Attributes:
        images: (count, 784), pixels from 0 to 255.
        labels: (count,), digits from 0 to 9.
    """

    images: Bytes
    labels: Bytes

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: np.ndarray | slice) -> "Digits":
        return Digits(self.images[index], self.labels[index])


@dataclass(frozen=True)
class Split:
    """The three parts that a run uses: to learn from, to choose by, to report on."""

    training: Digits
    validation: Digits
    test: Digits


def load(folder: Path) -> tuple[Digits, Digits]:
    """Reads MNIST's files, wherever they lie in a folder.

    Returns:
        The digits to train with and the digits to test with.

    Raises:
        DataError: A file is missing or damaged, or there are not as many labels as images.
    """
    files = _find(folder)
    pairs = []
    for stem in ("train", "t10k"):
        images_path, labels_path = files[f"{stem}-images"], files[f"{stem}-labels"]
        images, labels = read_images(images_path), read_labels(labels_path)
        if len(images) != len(labels):
            raise DataError(
                f"{labels_path}: holds {len(labels)} labels for the {len(images)} images"
                f" of {images_path.name}"
            )
        pairs.append(Digits(images, labels))
    return pairs[0], pairs[1]


def split(digits: Digits, test: Digits, fraction: float, seed: int) -> Split:
    """Holds out a part of the training digits for validation, the same share of every class.

    Args:
        digits: All the training digits.
        test: The test digits, handed on as they are.
        fraction: The share to hold out, above 0 and below 1.
        seed: Decides which ones.

    Raises:
        SettingsError: One of the two parts would be empty.
    """
    random = np.random.default_rng([seed, 0])
    held_out = np.zeros(len(digits), dtype=bool)
    for digit in range(CLASSES):
        members = random.permutation(np.flatnonzero(digits.labels == digit))
        held_out[members[: round(fraction * len(members))]] = True
    if held_out.all() or not held_out.any():
        raise SettingsError(
            f"--validation-fraction must leave at least 1 of the {len(digits)} training images"
            f" on either side, got {fraction}"
        )
    return Split(digits[~held_out], digits[held_out], test)


def _find(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"--data-folder must be a folder, got {folder}")
    # Of several copies the least deep one, and then the first by name, is taken.
    entries = sorted(folder.rglob("*"), key=lambda path: (len(path.parts), path))
    found: dict[str, Path] = {}
    for what, names in _NAMES.items():
        matches = (path for path in entries if path.name in names and path.is_file())
        if match := next(matches, None):
            found[what] = match
    missing = [names[0] for what, names in _NAMES.items() if what not in found]
    if missing:
        raise DataError(f"{folder}: no {', '.join(missing)} in this folder or below it")
    return found
