"""Reading IDX files, the format of MNIST, and refusing those that are damaged.

The format is described at http://yann.lecun.com/exdb/mnist/: big-endian 32-bit numbers (a magic
number that tells the type and the dimensions, then one size for each dimension), then the bytes.
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from digits.errors import DataError

Bytes = npt.NDArray[np.uint8]

SIDE = 28
PIXELS = SIDE * SIDE
CLASSES = 10
_IMAGES_MAGIC = 2051
_LABELS_MAGIC = 2049
_GZIP_START = b"\x1f\x8b"


def read_images(path: Path) -> Bytes:
    """Reads images of 28 x 28 pixels.

    Returns:
        An array (count, 784) of pixels from 0 to 255, rows of the image one after another.

    Raises:
        DataError: The file cannot be read, is damaged, or holds something else.
    """
    content = _content(path)
    count, rows, columns = _header(path, content, _IMAGES_MAGIC, "images", dimensions=3)
    if (rows, columns) != (SIDE, SIDE):
        raise DataError(f"{path}: images must be 28 x 28 pixels, got {rows} x {columns}")
    return _body(path, content, 16, count * PIXELS).reshape(count, PIXELS)


def read_labels(path: Path) -> Bytes:
    """Reads labels.

    Returns:
        An array (count,) of digits from 0 to 9.

    Raises:
        DataError: The file cannot be read, is damaged, or holds something else.
    """
    content = _content(path)
    (count,) = _header(path, content, _LABELS_MAGIC, "labels", dimensions=1)
    labels = _body(path, content, 8, count)
    if labels.max() >= CLASSES:
        first = int(np.argmax(labels >= CLASSES))
        raise DataError(f"{path}: labels must be 0 to 9, got {labels[first]} at index {first}")
    return labels


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
        raise DataError(f"{path}: an IDX header has {size} bytes, the file only {len(content)}")
    found, *sizes = struct.unpack_from(f">{1 + dimensions}I", content)
    if found != magic:
        raise DataError(f"{path}: not an IDX file of {what}: magic number {found}, not {magic}")
    if sizes[0] == 0:
        raise DataError(f"{path}: holds no {what}")
    return tuple(sizes)


def _body(path: Path, content: bytes, start: int, expected: int) -> Bytes:
    found = len(content) - start
    if found < expected:
        raise DataError(f"{path}: truncated: the header announces {expected} bytes, got {found}")
    if found > expected:
        raise DataError(f"{path}: {found - expected} bytes too many after the announced {expected}")
    return np.frombuffer(content, np.uint8, offset=start)
