"""Functions that read MNIST's files, and split the training digits into training and validation.

The page http://yann.lecun.com/exdb/mnist/ describes the IDX format. A file begins with big-endian
32-bit numbers. The first number, the magic number, states the type of the values and the number of
dimensions. The next numbers are the sizes of the dimensions. The values follow. In MNIST's files,
each value is an unsigned byte.
"""

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from digits import CLASSES, PIXELS, SIDE
from digits.errors import DataError, SettingsError

Bytes = npt.NDArray[np.uint8]

#: The accepted names of each file. In some copies of MNIST, a name has a dot in place of the second
#: dash, such as `train-images.idx3-ubyte`, or the file is not compressed.
_NAMES = {
    what: tuple(f"{what}{dash}{kind}{ending}" for dash in ("-", ".") for ending in (".gz", ""))
    for what, kind in (
        ("train-images", "idx3-ubyte"),
        ("train-labels", "idx1-ubyte"),
        ("t10k-images", "idx3-ubyte"),
        ("t10k-labels", "idx1-ubyte"),
    )
}
_IMAGES_MAGIC = 2051
_LABELS_MAGIC = 2049
_GZIP_START = b"\x1f\x8b"


@dataclass(frozen=True)
class Digits:
    """Images and the digits that they show.

    Attributes:
        images: The images, (count, 784) pixels from 0 to 255.
        labels: The digits from 0 to 9 that the images show, (count,).
    """

    images: Bytes
    labels: Bytes

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: np.ndarray | slice) -> "Digits":
        return Digits(self.images[index], self.labels[index])


@dataclass(frozen=True)
class Split:
    """The digits of a run, in three parts.

    Attributes:
        training: The digits to train with.
        validation: The digits to validate with after each epoch.
        test: The digits to test with after the last epoch.
    """

    training: Digits
    validation: Digits
    test: Digits


def load(folder: Path) -> tuple[Digits, Digits]:
    """Read MNIST's four files from a folder or its subfolders.

    Returns:
        The digits to train with and the digits to test with.

    Raises:
        DataError: A file is missing or damaged, or the numbers of labels and images differ.
    """
    files = _find(folder)
    pairs = []
    for stem in ("train", "t10k"):
        images_path, labels_path = files[f"{stem}-images"], files[f"{stem}-labels"]
        images, labels = read_images(images_path), read_labels(labels_path)
        if len(images) != len(labels):
            raise DataError(
                f"{labels_path}: must hold one label for each of the {len(images)} images"
                f" of {images_path.name}, got {len(labels)} labels"
            )
        pairs.append(Digits(images, labels))
    return pairs[0], pairs[1]


def split(digits: Digits, test: Digits, fraction: float, seed: int) -> Split:
    """Split off a share of the training digits for validation. Take the same share of every class.

    Args:
        digits: All training digits.
        test: The test digits, which the result contains unchanged.
        fraction: The share of the training digits that is used for validation, above 0 and below 1.
        seed: The seed of the random choice of the validation digits.

    Raises:
        SettingsError: The training part or the validation part would be empty.
    """
    random = np.random.default_rng([seed, 0])
    held_out = np.zeros(len(digits), dtype=bool)
    for digit in range(CLASSES):
        members = random.permutation(np.flatnonzero(digits.labels == digit))
        held_out[members[: round(fraction * len(members))]] = True
    if held_out.all() or not held_out.any():
        raise SettingsError(
            f"--validation-fraction must leave at least 1 of the {len(digits)} training images"
            f" for training and 1 for validation, got {fraction}"
        )
    return Split(digits[~held_out], digits[held_out], test)


def read_images(path: Path) -> Bytes:
    """Read an IDX file of images with 28 x 28 pixels.

    Returns:
        (count, 784) pixels from 0 to 255, row by row.

    Raises:
        DataError: The file cannot be read, is damaged, or does not contain such images.
    """
    content = _content(path)
    count, rows, columns = _header(path, content, _IMAGES_MAGIC, "images", dimensions=3)
    if (rows, columns) != (SIDE, SIDE):
        raise DataError(f"{path}: images must be 28 x 28 pixels, got {rows} x {columns}")
    return _body(path, content, 16, count * PIXELS).reshape(count, PIXELS)


def read_labels(path: Path) -> Bytes:
    """Read an IDX file of labels.

    Returns:
        (count,) digits from 0 to 9.

    Raises:
        DataError: The file cannot be read, is damaged, or does not contain labels from 0 to 9.
    """
    content = _content(path)
    (count,) = _header(path, content, _LABELS_MAGIC, "labels", dimensions=1)
    labels = _body(path, content, 8, count)
    if labels.max() >= CLASSES:
        first = int(np.argmax(labels >= CLASSES))
        raise DataError(f"{path}: labels must be 0 to 9, got {labels[first]} at index {first}")
    return labels


def _find(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"--data-folder must be a folder, got {folder}")
    # If a file has several copies, use the copy with the fewest parent folders. If two such copies
    # exist, use the first copy in alphabetical order.
    entries = sorted(folder.rglob("*"), key=lambda path: (len(path.parts), path))
    found: dict[str, Path] = {}
    for what, names in _NAMES.items():
        matches = (path for path in entries if path.name in names and path.is_file())
        if match := next(matches, None):
            found[what] = match
    missing = [names[0] for what, names in _NAMES.items() if what not in found]
    if missing:
        raise DataError(f"{folder}: no {', '.join(missing)} in this folder or its subfolders")
    return found


def _content(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if not raw.startswith(_GZIP_START):
        return raw
    try:
        return gzip.decompress(raw)
    except EOFError as error:
        raise DataError(f"{path}: the gzip file is truncated") from error
    except (OSError, zlib.error) as error:
        raise DataError(f"{path}: the gzip file is damaged: {error}") from error


def _header(
    path: Path, content: bytes, magic: int, what: str, *, dimensions: int
) -> tuple[int, ...]:
    size = 4 * (1 + dimensions)
    if len(content) < size:
        raise DataError(
            f"{path}: truncated: the header of an IDX file has {size} bytes, this file has"
            f" {len(content)}"
        )
    found, *sizes = struct.unpack_from(f">{1 + dimensions}I", content)
    if found != magic:
        raise DataError(
            f"{path}: not an IDX file of {what}: the magic number must be {magic}, got {found}"
        )
    if sizes[0] == 0:
        raise DataError(f"{path}: holds no {what}")
    return tuple(sizes)


def _body(path: Path, content: bytes, start: int, expected: int) -> Bytes:
    found = len(content) - start
    if found < expected:
        raise DataError(f"{path}: truncated: the header announces {expected} bytes, got {found}")
    if found > expected:
        raise DataError(f"{path}: too long: the header announces {expected} bytes, got {found}")
    return np.frombuffer(content, np.uint8, offset=start)
