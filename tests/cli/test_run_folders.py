from pathlib import Path

import pytest

from mnist_exp.cli.run_folders import check_writable
from mnist_exp.errors import OutputsError


def test_the_probe_leaves_nothing_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    check_writable(tmp_path / "outputs")
    assert list((tmp_path / "outputs").iterdir()) == []


def test_the_probe_leaves_no_new_folder(tmp_path: Path) -> None:
    check_writable(tmp_path / "deep" / "down" / "outputs")
    assert list(tmp_path.iterdir()) == []


def test_the_probe_names_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputsError, match=r"^outputs_dir: must be a folder .*/file/outputs"):
        check_writable(tmp_path / "file" / "outputs")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_the_probe_names_its_key(tmp_path: Path) -> None:
    with pytest.raises(OutputsError, match=r"^hydra\.run\.dir: .*with hydra\.run\.dir=DIR$"):
        check_writable(Path("/proc/nowtmp_path"), "hydra.run.dir")
