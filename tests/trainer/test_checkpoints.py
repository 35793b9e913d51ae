import errno
import json
import os
import random
import resource
import signal

import numpy as np
import pytest

from digits.checkpoints import FORMAT_VERSION, Checkpoint, CheckpointFolder, read_checkpoint
from digits.errors import CheckpointError


def checkpoint(epoch: int, **parameters) -> Checkpoint:
    history = [
        {"epoch": number, "loss": 1 / number, "validation_acc": 0.5 + number % 2 / 10}
        for number in range(1, epoch + 1)
    ]
    state = {"weight_0": np.full((3, 2), epoch, np.float32), "optimizer_0": np.array(epoch)}
    return Checkpoint(epoch, {"seed": 1, **parameters}, "data", history, "run", state)


def accept(path, found) -> None:
    """Accept any checkpoint."""


def refuse_wide(path, found) -> None:
    if found.parameters.get("wide"):
        raise CheckpointError(f"{path}: too wide")


@pytest.fixture
def folder(tmp_path):
    return CheckpointFolder(tmp_path / "checkpoints")


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.folder.iterdir())


def test_reads_what_was_saved(folder):
    folder.save(checkpoint(3))
    found = read_checkpoint(folder.folder / "epoch-0003.npz")
    assert found.state.pop("weight_0").tolist() == [[3, 3]] * 3
    assert found.state.pop("optimizer_0") == 3
    expected = checkpoint(3)
    expected.state.clear()
    assert found == expected
    assert found.best["epoch"] == 1


def test_keeps_the_two_newest(folder):
    for epoch in (1, 2, 3):
        folder.save(checkpoint(epoch))
    assert names(folder) == ["epoch-0002.npz", "epoch-0003.npz"]


def test_an_empty_or_missing_folder_has_no_latest(folder):
    assert folder.latest(accept, print) is None


def test_deletes_old_checkpoints_after_a_restart_too(folder):
    for epoch in (1, 2):
        folder.save(checkpoint(epoch))
    again = CheckpointFolder(folder.folder)
    assert again.latest(accept, print).epoch == 2
    again.save(checkpoint(3))
    assert names(folder) == ["epoch-0002.npz", "epoch-0003.npz"]


def test_epochs_beyond_four_digits_come_last(folder):
    for epoch in (9999, 10000):
        folder.save(checkpoint(epoch) if epoch < 2 else Checkpoint(epoch, {"seed": 1}, "", []))
    assert folder.latest(accept, print).epoch == 10000


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_checkpoint_is_skipped_for_the_one_before(folder, share):
    for epoch in (1, 2):
        folder.save(checkpoint(epoch))
    newest = folder.folder / "epoch-0002.npz"
    content = newest.read_bytes()
    newest.write_bytes(content[: int(share * len(content))])
    said = []
    again = CheckpointFolder(folder.folder)
    assert again.latest(accept, said.append).epoch == 1
    assert len(said) == 1
    assert str(newest) in said[0]
    assert "damaged" in said[0]


def test_flipped_bytes_are_found(folder):
    folder.save(checkpoint(1))
    path = folder.folder / "epoch-0001.npz"
    content = bytearray(path.read_bytes())
    middle = content.index(b"\x00\x00\x80\x3f")  # the float 1.0, in the weights
    content[middle] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"epoch-0001.npz: damaged"):
        read_checkpoint(path)


def content(found: Checkpoint) -> object:
    state = {name: array.tolist() for name, array in found.state.items()}
    return found.epoch, found.parameters, found.data, found.history, found.run_id, state


def test_damage_anywhere_is_refused_or_harmless(folder):
    folder.save(checkpoint(1))
    path = folder.folder / "epoch-0001.npz"
    whole, good = path.read_bytes(), content(read_checkpoint(path))
    draw = random.Random(1)
    refused = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            assert content(read_checkpoint(path)) == good
        except CheckpointError:
            refused += 1
    assert refused > len(whole) / 2


def test_an_array_that_is_missing_is_damage(folder):
    folder.save(checkpoint(1))
    path = folder.folder / "epoch-0001.npz"
    with np.load(path) as arrays:
        rest = {name: arrays[name] for name in arrays if name != "weight_0"}
    np.savez(path, **rest)
    with pytest.raises(CheckpointError, match=r"epoch-0001.npz: damaged .*weight_0"):
        read_checkpoint(path)


def test_a_file_is_no_folder_of_checkpoints(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        CheckpointError, match=r"--checkpoints must be a folder, got the file .*file"
    ):
        CheckpointFolder(tmp_path / "file").latest(accept, print)


def test_a_skipped_file_is_not_overwritten(folder):
    for epoch in (1, 2):
        folder.save(checkpoint(epoch))
    (folder.folder / "epoch-0002.npz").write_bytes(b"rubbish")
    again = CheckpointFolder(folder.folder)
    again.latest(accept, lambda line: None)
    again.save(checkpoint(2))
    assert names(folder) == ["epoch-0001.npz", "epoch-0002.npz", "epoch-0002.npz.refused-1"]
    assert (folder.folder / "epoch-0002.npz.refused-1").read_bytes() == b"rubbish"


def test_checkpoints_of_which_none_is_good_are_an_error_and_stay(folder):
    folder.save(checkpoint(1, wide=True))
    before = (folder.folder / "epoch-0001.npz").read_bytes()
    with pytest.raises(CheckpointError, match=r"too wide \(resume with the settings and data"):
        CheckpointFolder(folder.folder).latest(refuse_wide, print)
    assert (folder.folder / "epoch-0001.npz").read_bytes() == before


def test_all_refusals_are_reported_and_those_with_a_remedy_first(folder):
    for epoch in (1, 2):
        folder.save(checkpoint(epoch, wide=True))
    (folder.folder / "epoch-0002.npz").write_bytes(b"rubbish")
    with pytest.raises(CheckpointError, match=r"too wide; .*0002.npz: damaged .*\(resume with"):
        CheckpointFolder(folder.folder).latest(refuse_wide, print)
    (folder.folder / "epoch-0001.npz").write_bytes(b"rubbish")
    with pytest.raises(
        CheckpointError, match=r"0001.npz: damaged .* \(move these files away to restart"
    ):
        CheckpointFolder(folder.folder).latest(refuse_wide, print)


@pytest.mark.parametrize(("step", "age"), [(1, "a newer"), (-1, "an older")])
def test_another_format_is_refused(folder, step, age):
    folder.save(checkpoint(1))
    path = folder.folder / "epoch-0001.npz"
    with np.load(path) as arrays:
        about = json.loads(str(arrays["about"]))
    about["format_version"] = FORMAT_VERSION + step
    np.savez(path, about=np.array(json.dumps(about)))
    with pytest.raises(CheckpointError, match=f"written by {age} trainer, in format"):
        read_checkpoint(path)


@pytest.mark.parametrize("about", ["{}", "[]", "no json", '"text"', "3", "null"])
def test_other_archives_are_no_checkpoints(tmp_path, about):
    np.savez(tmp_path / "epoch-0001.npz", about=np.array(about))
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        read_checkpoint(tmp_path / "epoch-0001.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": "x"},
        {"parameters": None},
        {"history": None},
        {"history": [{"epoch": 25}]},
        {"run_id": 5},
        {"data": 3},
    ],
)
def test_a_checkpoint_with_other_fields_is_refused(folder, change):
    folder.save(checkpoint(1))
    path = folder.folder / "epoch-0001.npz"
    with np.load(path) as arrays:
        content = dict(arrays)
    about = json.loads(str(content["about"])) | change
    np.savez(path, **content | {"about": np.array(json.dumps(about))})
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint: the fields"):
        read_checkpoint(path)


def test_the_oldest_checkpoint_makes_room_on_a_full_disk(folder, monkeypatch):
    for epoch in (1, 2):
        folder.save(checkpoint(epoch))
    flush = os.fsync

    def with_room_for_two(handle):
        if len(names(folder)) > 2:  # one of them is the new file, under another name
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(handle)

    monkeypatch.setattr("digits.checkpoints.os.fsync", with_room_for_two)
    folder.save(checkpoint(3))
    assert names(folder) == ["epoch-0002.npz", "epoch-0003.npz"]


def test_a_full_disk_keeps_the_checkpoint_before(folder):
    folder.save(checkpoint(1))
    # The system refuses to let a file grow beyond this, as a full disk would.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            folder.save(checkpoint(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert names(folder) == ["epoch-0001.npz"]
    assert CheckpointFolder(folder.folder).latest(accept, print).epoch == 1
