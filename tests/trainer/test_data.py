import gzip
import shutil

import numpy as np
import pytest

from benchmarks.sample import write_idx
from digits.data import load, split
from digits.errors import DataError, SettingsError


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
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.zeros(7))
    with pytest.raises(DataError, match="holds 7 labels for the 1000 images of t10k-images"):
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
