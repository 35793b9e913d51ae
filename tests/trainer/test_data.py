import gzip
import shutil
import struct

import numpy as np
import pytest

from digits.data import load, read_images, read_labels, split
from digits.errors import DataError, SettingsError
from mnist_exp.datasets.idx import write_idx


def test_finds_the_files_at_any_depth_and_by_other_names(sample, tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    for path in sample.iterdir():
        shutil.copy(path, deep)
    zipped = deep / "t10k-labels-idx1-ubyte.gz"
    (deep / "t10k-labels.idx1-ubyte").write_bytes(gzip.decompress(zipped.read_bytes()))
    zipped.unlink()
    digits, test = load(tmp_path)
    assert (len(digits), len(test)) == (4000, 1000)


def test_says_which_files_are_missing(sample, tmp_path):
    shutil.copy(sample / "train-images-idx3-ubyte.gz", tmp_path)
    with pytest.raises(DataError, match=r"no train-labels-idx1-ubyte.gz, t10k-images.*, t10k-l"):
        load(tmp_path)


def test_the_data_folder_must_be_a_folder(tmp_path):
    with pytest.raises(DataError, match=r"--data-folder must be a folder, got .*nowhere"):
        load(tmp_path / "nowhere")


def test_refuses_another_number_of_labels_than_images(sample, tmp_path):
    shutil.copytree(sample, tmp_path, dirs_exist_ok=True)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.zeros(7, np.uint8))
    with pytest.raises(DataError, match=r"of the 1000 images of t10k-images.*, got 7"):
        load(tmp_path)


def test_holds_out_the_same_share_of_every_class(sample):
    digits, test = load(sample)
    parts = split(digits, test, 0.1, 42)
    assert np.bincount(parts.validation.labels).tolist() == [40] * 10
    assert np.bincount(parts.training.labels).tolist() == [360] * 10


def test_the_split_is_decided_by_the_seed_and_loses_nothing(sample):
    digits, test = load(sample)
    one, same, other = (split(digits, test, 0.1, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.validation.images, same.validation.images)
    assert not np.array_equal(one.validation.images, other.validation.images)
    together = np.concatenate([one.training.images, one.validation.images])
    assert sorted(map(bytes, together)) == sorted(map(bytes, digits.images))


@pytest.mark.parametrize("fraction", [0.0001, 0.9999])
def test_refuses_a_split_with_an_empty_part(sample, fraction):
    digits, test = load(sample)
    with pytest.raises(SettingsError, match=f"4000 training images.*, got {fraction}"):
        split(digits, test, fraction, 42)


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "images.gz"
    write_idx(path, np.arange(3 * 784, dtype=np.uint16).reshape(3, 28, 28).astype(np.uint8))
    return path


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.gz"
    write_idx(path, np.array([3, 0, 9], np.uint8))
    return path


def test_reads_images_row_by_row(images):
    pixels = read_images(images)
    assert pixels.shape == (3, 784)
    assert pixels[0, :3].tolist() == [0, 1, 2]


def test_reads_unzipped_files_too(images, tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(gzip.decompress(images.read_bytes()))
    assert np.array_equal(read_images(plain), read_images(images))


def test_reads_labels(labels):
    assert read_labels(labels).tolist() == [3, 0, 9]


def zipped(content: bytes) -> bytes:
    # pytest names tests by the content, so it must not contain the time of day.
    return gzip.compress(content, mtime=0)


def idx(*header: int, body: bytes = b"") -> bytes:
    return struct.pack(f">{len(header)}I", *header) + body


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "16 bytes, this file has 0"),
        (zipped(b"\x00\x00\x08"), "16 bytes, this file has 3"),
        (zipped(idx(2049, 1, 28, 28, body=bytes(784))), "magic number must be 2051, got 2049"),
        (zipped(idx(2051, 1, 32, 32, body=bytes(1024))), "must be 28 x 28 pixels, got 32 x 32"),
        (zipped(idx(2051, 0, 28, 28)), "holds no images"),
        (zipped(idx(2051, 2, 28, 28, body=bytes(784))), "truncated: .* 1568 bytes, got 784"),
        (zipped(idx(2051, 1, 28, 28, body=bytes(786))), "too long: .* 784 bytes, got 786"),
        (zipped(idx(2051, 1, 28, 28, body=bytes(784)))[:-9], "gzip file is truncated"),
        (zipped(idx(2051, 1, 28, 28, body=bytes(784))) + b"rest", "gzip file is damaged"),
        (b"\x1f\x8bnot really a gzip file, is it?", "gzip file is damaged"),
    ],
)
def test_refuses_damaged_images_and_names_file_and_fault(tmp_path, content, fault):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=fault) as caught:
        read_images(path)
    assert str(path) in str(caught.value)


def test_refuses_a_gzip_file_with_a_flipped_bit(images):
    content = bytearray(images.read_bytes())
    content[len(content) // 2] ^= 0x10
    images.write_bytes(content)
    with pytest.raises(DataError, match=r"images.gz: "):
        read_images(images)


def test_refuses_labels_that_are_no_digits(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(idx(2049, 3, body=bytes([1, 10, 2])))
    with pytest.raises(DataError, match="must be 0 to 9, got 10 at index 1"):
        read_labels(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="nothing: cannot be read: No such file"):
        read_labels(tmp_path / "nothing")
