"""IDX, the file format of MNIST: a big-endian header, followed by unsigned bytes.

The format: https://github.com/cvdfoundation/mnist#file-formats-for-the-mnist-database
"""

import gzip
import math
import os
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mnist_exp.errors import DataError

Bytes = npt.NDArray[np.uint8]

CLASSES = 10
SIDE = 28
PIXELS = SIDE * SIDE
#: The first four bytes of a file (the magic number) are this value plus the number of dimensions.
#: 0x08 in the third byte means that the data is unsigned bytes.
_MAGIC = 0x0800
_GZIP_MAGIC = b"\x1f\x8b"


def read_images(path: Path) -> Bytes:
    """Read images of 28 x 28 pixels. The file may be gzipped or not.

    Returns:
        Pixels from 0 (background) to 255, shape (n, 784) with n at least 1.

    Raises:
        DataError: The file cannot be read, is damaged, or contains other data.
    """
    images = _read(path, dimensions=3)
    if images.shape[1:] != (SIDE, SIDE):
        rows, columns = images.shape[1:]
        raise DataError(f"{path}: images must be {SIDE} x {SIDE} pixels, got {rows} x {columns}")
    return images.reshape(len(images), PIXELS)


def read_labels(path: Path) -> Bytes:
    """Read labels. The file may be gzipped or not.

    Returns:
        Digits from 0 to 9, shape (n,) with n at least 1.

    Raises:
        DataError: The file cannot be read, is damaged, or contains other data.
    """
    labels = _read(path, dimensions=1)
    if (largest := int(labels.max())) >= CLASSES:
        where = int(labels.argmax())
        raise DataError(f"{path}: labels must be 0 to 9, got {largest} at position {where}")
    return labels


def write_idx(path: Path, values: Bytes) -> None:
    """Write a gzipped IDX file, completely or not at all.

    The same values always give a file with the same bytes.
    """
    header = struct.pack(f">{1 + values.ndim}I", _MAGIC + values.ndim, *values.shape)
    packed = gzip.compress(header + values.tobytes(), compresslevel=6, mtime=0)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(packed)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _read(path: Path, dimensions: int) -> Bytes:
    content = _content(path)
    start = 4 * (1 + dimensions)
    if len(content) < start:
        raise DataError(f"{path}: truncated, the header alone is {start} bytes, got {len(content)}")
    magic, *shape = struct.unpack_from(f">{1 + dimensions}I", content)
    if magic != _MAGIC + dimensions:
        raise DataError(f"{path}: magic number must be {_MAGIC + dimensions}, got {magic}")
    expected, found = math.prod(shape), len(content) - start
    if found != expected:
        fault = "truncated" if found < expected else "too long"
        raise DataError(f"{path}: {fault}, the header announces {expected} bytes, got {found}")
    if not expected:
        raise DataError(f"{path}: must contain at least one digit, got none")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _content(path: Path) -> bytes:
    # Look at the first bytes, not at the name. A browser or a proxy may unpack a file, but keep the
    # ending .gz in its name.
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw.startswith(_GZIP_MAGIC) else raw
    except EOFError as error:
        raise DataError(f"{path}: truncated, the gzip data ends early") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip data ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
