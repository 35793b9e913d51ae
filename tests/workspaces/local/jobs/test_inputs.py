import errno
import os
import stat
from pathlib import Path

import pytest

from mnist_exp.config import DataConfig, DataType
from mnist_exp.errors import DataError, JobError
from mnist_exp.specs import OutputSpec, PathInput
from mnist_exp.workspaces.local.jobs import inputs as inputs_module
from mnist_exp.workspaces.local.jobs.inputs import (
    MountedInputs,
    SharedInputs,
    create_outputs,
    local_path,
)


def no_message(text: str) -> None:
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
    return Path(inputs.mount({"data": PathInput(source, kind, mode)}, no_message)["data"])


def test_literals_are_spelt_as_in_yaml(inputs: MountedInputs) -> None:
    values = {"lr": 0.01, "tiny": 1e-07, "epochs": 3, "name": "a b", "on": True, "off": False}
    assert inputs.mount(values, no_message) == {
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


def test_the_copy_of_a_folder_that_contains_the_outputs_ends(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    job = tmp_path / "outputs" / "jobs" / "job"
    copy = mount(MountedInputs(job / "inputs"), tmp_path, "download")
    assert [path.name for path in copy.iterdir()] == ["a"]


def test_ro_mount_is_write_protected(inputs: MountedInputs, source: Path) -> None:
    copy = mount(inputs, source, "ro_mount")
    for path in (copy, copy / "sub", copy / "b.bin"):
        assert not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    assert not inputs.warnings()


def test_download_may_be_written(inputs: MountedInputs, source: Path) -> None:
    copy = mount(inputs, source, "download")
    (copy / "b.bin").write_bytes(b"mine now")
    assert not inputs.warnings()
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
def test_a_write_to_a_ro_mount_is_found_out(
    inputs: MountedInputs, source: Path, change: "object"
) -> None:
    copy = mount(inputs, source, "ro_mount")
    for path in (copy.parent, copy, copy / "sub"):
        path.chmod(0o755)
    change(copy)  # type: ignore[operator]
    (line,) = inputs.warnings()
    assert line.startswith("the script wrote to its input data; ")


def test_reading_is_not_writing(inputs: MountedInputs, source: Path) -> None:
    copy = mount(inputs, source, "ro_mount")
    assert (copy / "b.bin").read_bytes() == b"b"
    assert list(copy.iterdir())
    assert inputs.warnings() == []


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


@pytest.fixture
def shared(tmp_path: Path) -> SharedInputs:
    return SharedInputs(tmp_path / "sweep" / "inputs")


@pytest.fixture
def trials(shared: SharedInputs, tmp_path: Path) -> list[MountedInputs]:
    return [MountedInputs(tmp_path / f"sweep_{index}" / "inputs", shared) for index in range(3)]


def write_in_place(folder: Path) -> None:
    (folder / "b.bin").chmod(0o644)
    (folder / "b.bin").write_bytes(b"written")
    (folder / "b.bin").chmod(0o444)


def test_trials_share_the_files_of_a_ro_mount_in_folders_of_their_own(
    trials: list[MountedInputs], source: Path
) -> None:
    first, second = (mount(trial, source, "ro_mount") for trial in trials[:2])
    assert first != second
    assert (first / "b.bin").samefile(second / "b.bin")
    assert not (first / "b.bin").samefile(source / "b.bin")
    for path in (second, second / "sub", second / "b.bin"):
        assert not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    (source / "b.bin").write_bytes(b"changed")
    assert (mount(trials[2], source, "ro_mount") / "b.bin").read_bytes() == b"b"


def test_a_sweeps_input_is_validated_once(
    trials: list[MountedInputs], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated = []

    def count(data: DataConfig, message: object) -> Path:
        validated.append(data)
        return source

    monkeypatch.setattr(inputs_module, "materialize", count)
    for trial, mode in zip(trials, ("ro_mount", "download", "direct"), strict=True):
        value = PathInput(DataConfig(DataType.folder, path=source), "uri_folder", mode)
        trial.mount({"data": value}, no_message)
    assert len(validated) == 1


def test_trials_have_a_download_of_their_own(trials: list[MountedInputs], source: Path) -> None:
    first, second = (mount(trial, source, "download") for trial in trials[:2])
    (first / "b.bin").write_bytes(b"mine now")
    assert (second / "b.bin").read_bytes() == (source / "b.bin").read_bytes() == b"b"
    assert not trials[0].warnings()


def test_a_trial_that_adds_or_replaces_a_file_is_the_writer(
    trials: list[MountedInputs], source: Path
) -> None:
    copies = [mount(trial, source, "ro_mount") for trial in trials]
    for copy in copies[:2]:
        copy.chmod(0o755)
    add_file(copies[0])
    copies[1].joinpath("b.bin").unlink()
    copies[1].joinpath("b.bin").write_bytes(b"b")
    for trial in trials[:2]:
        assert trial.warnings()[0].startswith("the script wrote to its input data; ")
    assert not trials[2].warnings()
    assert copies[2].joinpath("b.bin").read_bytes() == b"b"


def test_a_trial_alone_that_writes_to_a_shared_file_is_the_writer(
    trials: list[MountedInputs], source: Path
) -> None:
    first = mount(trials[0], source, "ro_mount")
    copy = mount(trials[1], source, "ro_mount")
    assert not trials[0].warnings()
    trials[0].close()
    assert not first.exists()
    write_in_place(copy)
    assert trials[1].warnings()[0].startswith("the script wrote to its input data; ")
    # The next trial gets the original data again.
    trials[1].close()
    assert (mount(trials[2], source, "ro_mount") / "b.bin").read_bytes() == b"b"
    assert not trials[2].warnings()


def test_the_writer_of_a_file_that_several_trials_share_is_not_known(
    trials: list[MountedInputs], source: Path
) -> None:
    first, _ = (mount(trial, source, "ro_mount") for trial in trials[:2])
    write_in_place(first)
    for trial in trials[:2]:
        (line,) = trial.warnings()
        trial.close()
        assert line.startswith(
            "the script, or the script of another trial at the same time, wrote to"
        )


def test_without_hard_links_each_trial_has_copies(
    trials: list[MountedInputs], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    first, second = (mount(trial, source, "ro_mount") for trial in trials[:2])
    write_in_place(first)
    assert trials[0].warnings()[0].startswith("the script wrote to its input data; ")
    assert not trials[1].warnings()
    assert (second / "b.bin").read_bytes() == b"b"


def test_what_a_killed_sweep_has_left_is_deleted(
    trials: list[MountedInputs], source: Path, tmp_path: Path
) -> None:
    copy = mount(trials[0], source, "ro_mount")
    left = tmp_path / "sweep" / "inputs"
    assert left.exists()
    again = SharedInputs(left)
    assert not left.exists()
    trial = MountedInputs(copy.parent, again)
    trial.close()
    copy = mount(trial, source, "ro_mount")
    assert (copy / "b.bin").read_bytes() == b"b"
    again.close()
    assert not left.exists()


def test_links_are_followed_but_not_loops_and_broken_links(
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


def test_a_file_that_cannot_be_copied_is_one_line(inputs: MountedInputs, source: Path) -> None:
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
    with pytest.raises(JobError, match=r"job\.inputs\.data\.path: must be a local path"):
        local_path("data", address, no_message)


def test_a_file_address_is_a_local_path(source: Path) -> None:
    assert local_path("data", f"file://{source}", no_message) == source


@pytest.mark.parametrize("form", [Path, lambda path: f"file://{path}"])
def test_a_missing_path_is_named(tmp_path: Path, form: "type") -> None:
    with pytest.raises(JobError, match=r"job\.inputs\.data\.path: must exist, got .*/nowhere$"):
        local_path("data", form(tmp_path / "nowhere"), no_message)


def test_digits_come_from_the_data_group(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.path"):
        local_path("data", DataConfig(DataType.folder, path=tmp_path), no_message)


def test_outputs_are_folders_or_places_for_files(tmp_path: Path) -> None:
    paths = create_outputs(
        {"model": OutputSpec(), "table": OutputSpec(type="uri_file")}, tmp_path / "named outputs"
    )
    assert paths == {
        "model": str(tmp_path / "named outputs" / "model"),
        "table": str(tmp_path / "named outputs" / "table"),
    }
    assert Path(paths["model"]).is_dir()
    assert not Path(paths["table"]).exists()
    assert Path(paths["table"]).parent.is_dir()
