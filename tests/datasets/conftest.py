"""A few random digits as IDX files, and mirrors on loopback that serve the files."""

import gzip
import hashlib
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mnist_exp.datasets.files import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from tests.datasets.mirror import Mirror


def idx(values: np.ndarray) -> bytes:
    header = struct.pack(f">{1 + values.ndim}I", 0x0800 + values.ndim, *values.shape)
    return header + values.astype(np.uint8).tobytes()


def random_contents(train: int = 20, test: int = 10) -> dict[str, bytes]:
    """File name -> unpacked content of a small data set."""
    random = np.random.default_rng(7)
    return {
        TRAIN_IMAGES: idx(random.integers(0, 256, (train, 28, 28))),
        TRAIN_LABELS: idx(random.integers(0, 10, train)),
        TEST_IMAGES: idx(random.integers(0, 256, (test, 28, 28))),
        TEST_LABELS: idx(np.arange(test) % 10),
    }


@pytest.fixture
def contents() -> dict[str, bytes]:
    return random_contents()


@pytest.fixture
def registry(contents: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


@pytest.fixture
def idx_folder(tmp_path: Path, contents: dict[str, bytes]) -> Path:
    folder = tmp_path / "idx"
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(gzip.compress(content))
    return folder


@pytest.fixture
def start_mirror(contents: dict[str, bytes]) -> Iterator[Callable[[], Mirror]]:
    mirrors: list[Mirror] = []

    def start() -> Mirror:
        mirrors.append(Mirror({name: gzip.compress(data) for name, data in contents.items()}))
        return mirrors[-1]

    yield start
    for mirror in mirrors:
        mirror.close()


@pytest.fixture
def mirror(start_mirror: Callable[[], Mirror]) -> Mirror:
    return start_mirror()
