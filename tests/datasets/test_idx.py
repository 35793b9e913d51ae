import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from mnist_exp.datasets.idx import read_images, read_labels, write_idx
from mnist_exp.errors import DataError

IMAGES = np.arange(3 * 784, dtype=np.uint8).reshape(3, 28, 28)
LABELS = np.array([0, 9, 4], dtype=np.uint8)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    path = tmp_path / "images.gz"
    write_idx(path, IMAGES)
    return path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.gz"
    write_idx(path, LABELS)
    return path


def rewrite(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content))


def test_what_was_written_is_read_again(images: Path, labels: Path):
    assert (read_images(images) == IMAGES.reshape(3, 784)).all()
    assert read_images(images).dtype == np.uint8
    assert (read_labels(labels) == LABELS).all()


def test_equal_values_give_equal_bytes_and_leave_no_temporary_file(images: Path):
    before = images.read_bytes()
    write_idx(images, IMAGES)
    assert images.read_bytes() == before
    assert [path.name for path in images.parent.iterdir()] == ["images.gz"]


def test_a_failed_write_leaves_what_was_there(images: Path):
    before = images.read_bytes()
    (images.parent / "taken").mkdir()
    with pytest.raises(OSError):
        write_idx(images.parent / "taken", IMAGES)
    assert images.read_bytes() == before
    assert sorted(path.name for path in images.parent.iterdir()) == ["images.gz", "taken"]


def test_an_unpacked_file_is_read_whatever_its_name(images: Path):
    images.write_bytes(gzip.decompress(images.read_bytes()))
    assert (read_images(images) == IMAGES.reshape(3, 784)).all()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "truncated, the header alone is 16 bytes, got 0"),
        (struct.pack(">4I", 2049, 1, 28, 28) + bytes(784), "magic number must be 2051, got 2049"),
        (struct.pack(">4I", 2051, 2, 28, 28) + bytes(784), "truncated, the header announces 1568"),
        (struct.pack(">4I", 2051, 1, 28, 28) + bytes(785), "too long, the header announces 784"),
        (struct.pack(">4I", 2051, 1, 32, 20) + bytes(640), "must be 28 x 28 pixels, got 32 x 20"),
        (struct.pack(">4I", 2051, 0, 28, 28), "at least one digit, got none"),
        (struct.pack(">4I", 2051, 2**32 - 1, 28, 28) + bytes(9), "truncated, the header announces"),
    ],
)
def test_a_faulty_image_file_is_refused_by_name(images: Path, content: bytes, fault: str):
    rewrite(images, content)
    with pytest.raises(DataError) as caught:
        read_images(images)
    assert str(caught.value).startswith(f"{images}: ")
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_above_nine_are_refused(labels: Path):
    rewrite(labels, struct.pack(">2I", 2049, 3) + bytes([1, 10, 3]))
    with pytest.raises(DataError, match="labels must be 0 to 9, got 10 at position 1"):
        read_labels(labels)


def test_cut_gzip_data_is_truncated(images: Path):
    images.write_bytes(images.read_bytes()[:-20])
    with pytest.raises(DataError, match="truncated, the gzip data ends early"):
        read_images(images)


@pytest.mark.parametrize("position", [12, -6])
def test_a_flipped_byte_is_damage(images: Path, position: int):
    damaged = bytearray(images.read_bytes())
    damaged[position] ^= 0xFF
    images.write_bytes(bytes(damaged))
    with pytest.raises(DataError, match="damaged gzip data"):
        read_images(images)


def test_a_missing_file_and_a_folder_cannot_be_read(tmp_path: Path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(DataError, match="cannot be read"):
            read_labels(path)
