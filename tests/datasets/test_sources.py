from pathlib import Path

import pytest

from mnist_exp.config import DataConfig, DataType
from mnist_exp.datasets import materialize, validate_folder
from mnist_exp.datasets.files import TEST_LABELS
from mnist_exp.errors import DataError


def ignore(text: str) -> None:
    pass


def test_a_users_folder_is_used_in_place(idx_folder: Path):
    spec = DataConfig(type=DataType.folder, path=idx_folder.parent)
    assert materialize(spec, ignore) == idx_folder


def test_a_users_damaged_file_is_named(idx_folder: Path):
    (idx_folder / TEST_LABELS).write_bytes(b"")
    with pytest.raises(DataError, match=rf"^data\.path: {idx_folder / TEST_LABELS}: truncated"):
        materialize(DataConfig(type=DataType.folder, path=idx_folder), ignore)


def test_a_folder_must_be_named():
    with pytest.raises(DataError, match=r"^data\.path: .*got none"):
        materialize(DataConfig(type=DataType.folder), ignore)


def test_the_sample_is_kept_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = materialize(DataConfig(type=DataType.sample), ignore)
    assert folder == tmp_path / "mnist_exp" / "sample"
    assert validate_folder(folder) == {"train": 4000, "test": 1000}


@pytest.mark.parametrize("kind", [DataType.sample, DataType.mnist])
def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, kind: DataType):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"^data\.cache_dir: .*Not a directory.*data\.cache_dir="):
        materialize(DataConfig(type=kind, cache_dir=tmp_path / "file"), ignore)


def test_an_unknown_kind_of_address_is_refused_before_any_download(tmp_path: Path):
    spec = DataConfig(type=DataType.mnist, url="ftp://host/mnist", cache_dir=tmp_path)
    messages: list[str] = []
    with pytest.raises(DataError, match=r"^data\.url: "):
        materialize(spec, messages.append)
    assert messages == []


def test_content_that_is_not_mnists_is_refused(
    idx_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Only the user's mirror may answer in this test.
    monkeypatch.setattr("mnist_exp.datasets.sources.MIRRORS", ())
    spec = DataConfig(type=DataType.mnist, url=str(idx_folder), cache_dir=tmp_path / "cache")
    with pytest.raises(DataError, match="checksum"):
        materialize(spec, ignore)
