import os
import stat
from pathlib import Path

import pytest

from mnist_exp.config import DataConfig, DataType
from mnist_exp.errors import DataError, JobError
from mnist_exp.specs import OutputSpec, PathInput
from mnist_exp.workspaces.local.jobs.inputs import MountedInputs, local_path, make_outputs


def nobody(text: str) -> None:
    """No test here expects a message."""
    raise AssertionError(text)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "my data"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.bin").write_bytes(b"abc")
    (folder / "b.bin").write_bytes(b"b")
    return folder


@pytest.fixture
def inputs(tmp_path: Path) -> MountedInputs:
    return MountedInputs(tmp_path / "job" / "inputs")


def mount(inputs: MountedInputs, source: Path | str, mode: str, kind: str = "uri_folder") -> Path:
    return Path(inputs.mount({"data": PathInput(source, kind, mode)}, nobody)["data"])


def test_literals_are_spelt_as_in_yaml(inputs: MountedInputs) -> None:
    values = {"lr": 0.01, "tiny": 1e-07, "epochs": 3, "name": "a b", "on": True, "off": False}
    assert inputs.mount(values, nobody) == {
        "lr": "0.01",
        "tiny": "1e-07",
        "epochs": "3",
        "name": "a b",
        "on": "true",
        "off": "false",
    }


@pytest.mark.parametrize("mode", ["ro_mount", "download"])
def test_a_folder_is_a_copy_of_the_jobs_own(inputs: MountedInputs, source: Path, mode: str) -> None:
    copy = mount(inputs, source, mode)
    assert copy != source
    assert (copy / "sub" / "a.bin").read_bytes() == b"abc"
    (source / "b.bin").write_bytes(b"changed")
    assert (copy / "b.bin").read_bytes() == b"b"


def test_ro_mount_is_write_protected(inputs: MountedInputs, source: Path) -> None:
    copy = mount(inputs, source, "ro_mount")
    for path in (copy, copy / "sub", copy / "b.bin"):
        assert not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    assert not inputs.written()


def test_download_may_be_written(inputs: MountedInputs, source: Path) -> None:
    copy = mount(inputs, source, "download")
    (copy / "b.bin").write_bytes(b"mine now")
    assert not inputs.written()
    assert (source / "b.bin").read_bytes() == b"b"


def overwrite(folder: Path) -> None:
    (folder / "b.bin").chmod(0o644)
    (folder / "b.bin").write_bytes(b"c")
    os.utime(folder / "b.bin", ns=(0, 0))


def add_file(folder: Path) -> None:
    (folder / "cache").write_bytes(b"")


def add_folder(folder: Path) -> None:
    (folder / "sub" / "cache").mkdir()


def remove(folder: Path) -> None:
    (folder / "b.bin").unlink()


def remove_all(folder: Path) -> None:
    folder.rename(folder.parent / "gone")


@pytest.mark.parametrize("change", [overwrite, add_file, add_folder, remove, remove_all])
def test_whoever_can_write_to_a_ro_mount_is_found_out(
    inputs: MountedInputs, source: Path, change: "object"
) -> None:
    copy = mount(inputs, source, "ro_mount")
    for path in (copy.parent, copy, copy / "sub"):
        path.chmod(0o755)
    change(copy)  # type: ignore[operator]
    assert inputs.written() == ["data"]


def test_reading_is_not_writing(inputs: MountedInputs, source: Path) -> None:
    copy = mount(inputs, source, "ro_mount")
    assert (copy / "b.bin").read_bytes() == b"b"
    assert list(copy.iterdir())
    assert inputs.written() == []


@pytest.mark.parametrize("mode", ["ro_mount", "download"])
def test_a_file_keeps_its_name(inputs: MountedInputs, source: Path, mode: str) -> None:
    copy = mount(inputs, source / "b.bin", mode, "uri_file")
    assert copy.name == "b.bin"
    assert copy.read_bytes() == b"b"
    assert copy.parent != source


def test_direct_is_the_path_itself(inputs: MountedInputs, source: Path, tmp_path: Path) -> None:
    assert mount(inputs, source, "direct") == source
    assert not (tmp_path / "job").exists()


def test_close_removes_the_copies_and_nothing_else(
    inputs: MountedInputs, source: Path, tmp_path: Path
) -> None:
    copy = mount(inputs, source, "ro_mount")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o500)
    copy.chmod(0o755)
    (copy / "link").symlink_to(elsewhere, target_is_directory=True)
    inputs.close()
    assert not (tmp_path / "job" / "inputs").exists()
    assert elsewhere.stat().st_mode & 0o777 == 0o500
    assert (source / "sub" / "a.bin").exists()


def test_close_without_any_input_is_quiet(inputs: MountedInputs) -> None:
    inputs.close()


def test_links_are_followed_and_loops_and_broken_ones_left_out(
    inputs: MountedInputs, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "c.bin").write_bytes(b"c")
    (source / "far").symlink_to(tmp_path / "far", target_is_directory=True)
    (source / "sub" / "loop").symlink_to("..", target_is_directory=True)
    (source / "broken").symlink_to("nowhere")
    (source / "self").symlink_to("self")
    copy = mount(inputs, source, "ro_mount")
    assert (copy / "far" / "c.bin").read_bytes() == b"c"
    assert not (copy / "far").is_symlink()
    assert sorted(path.name for path in copy.iterdir()) == ["b.bin", "far", "sub"]
    assert [path.name for path in (copy / "sub").iterdir()] == ["a.bin"]


def test_what_cannot_be_copied_is_one_line(inputs: MountedInputs, source: Path) -> None:
    os.mkfifo(source / "pipe")
    with pytest.raises(JobError, match=r"^job\.inputs\.data\.path: .*pipe.*mode=direct$"):
        mount(inputs, source, "download")


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/x",
        "azureml:digits:1",
        "wasbs://a@b/c",
        "azureml://datastores/d/paths/p",
    ],
)
def test_places_on_azure_are_refused(address: str) -> None:
    with pytest.raises(JobError, match=r"job\.inputs\.data\.path: the local workspace reads local"):
        local_path("data", address, nobody)


def test_a_file_address_is_a_local_path(source: Path) -> None:
    assert local_path("data", f"file://{source}", nobody) == source


@pytest.mark.parametrize("form", [Path, lambda path: f"file://{path}"])
def test_a_missing_path_is_named(tmp_path: Path, form: "type") -> None:
    with pytest.raises(JobError, match=r"job\.inputs\.data\.path: must exist, got .*/nowhere$"):
        local_path("data", form(tmp_path / "nowhere"), nobody)


def test_digits_come_from_the_data_group(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.path"):
        local_path("data", DataConfig(DataType.folder, path=tmp_path), nobody)


def test_outputs_are_folders_or_places_for_files(tmp_path: Path) -> None:
    paths = make_outputs(
        {"model": OutputSpec(), "table": OutputSpec(type="uri_file")}, tmp_path / "named outputs"
    )
    assert paths == {
        "model": str(tmp_path / "named outputs" / "model"),
        "table": str(tmp_path / "named outputs" / "table"),
    }
    assert Path(paths["model"]).is_dir()
    assert not Path(paths["table"]).exists()
    assert Path(paths["table"]).parent.is_dir()
