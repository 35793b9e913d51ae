import gzip
from pathlib import Path

import pytest

from mnist_exp.datasets.files import NAMES, find_files, narrowest_folder
from mnist_exp.errors import DataError
from tests.support.files import write_file


def test_files_are_found_at_any_depth_and_in_any_spelling(tmp_path: Path):
    spellings = (
        "a/train-images-idx3-ubyte.gz",
        "a/b/train-labels.idx1-ubyte",
        "a/b/c/t10k-images.idx3-ubyte.gz",
        "a/t10k-labels-idx1-ubyte",
    )
    for name in spellings:
        write_file(tmp_path / name)
    found = find_files(tmp_path)
    assert [found[name] for name in NAMES] == [tmp_path / name for name in spellings]
    assert narrowest_folder(found) == tmp_path / "a"


def test_the_least_deep_of_several_copies_is_used(idx_folder: Path):
    deeper = idx_folder / "again"
    deeper.mkdir()
    for name in NAMES:
        (deeper / name).write_bytes(gzip.compress(b"x"))
    assert set(find_files(idx_folder).values()) == {idx_folder / name for name in NAMES}
    assert narrowest_folder(find_files(deeper)) == deeper


def test_a_folder_with_the_name_of_a_file_is_ignored(idx_folder: Path):
    (idx_folder / NAMES[0]).unlink()
    (idx_folder / NAMES[0]).mkdir()
    with pytest.raises(DataError, match=NAMES[0]):
        find_files(idx_folder)


def test_a_missing_file_is_named_beside_what_was_found(idx_folder: Path):
    (idx_folder / NAMES[2]).unlink()
    (idx_folder / "notes.txt").touch()
    with pytest.raises(DataError) as caught:
        find_files(idx_folder)
    text = str(caught.value)
    assert text.startswith(f"data.path: {idx_folder}: no {NAMES[2]} in this")
    assert NAMES[0] in text
    assert "notes.txt" in text
    assert "data=sample" in text
    assert "\n" not in text


def test_a_long_list_of_found_files_is_shortened(tmp_path: Path):
    for number in range(12):
        (tmp_path / f"{number:02}.png").touch()
    with pytest.raises(DataError, match=r"found 00\.png, .*04\.png and 7 more"):
        find_files(tmp_path)


def test_errors_for_a_missing_folder_a_file_and_an_empty_folder(tmp_path: Path):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    for name, fault in (("none", "no such"), ("file", "got a file"), ("empty", "no file at all")):
        with pytest.raises(DataError, match=fault):
            find_files(tmp_path / name)
