from dataclasses import replace

import numpy as np
import pytest

from digits.checkpoints import Checkpoint, CheckpointFolder
from digits.data import Digits
from digits.errors import CheckpointError
from digits.start import data_fingerprint, find_start

DATA = "4-abc"


def save(folder, settings, epoch, data=DATA, run_id="run") -> None:
    history = [{"epoch": epoch, "validation_acc": 0.5}]
    CheckpointFolder(folder).save(Checkpoint(epoch, settings.parameters(), data, history, run_id))


@pytest.fixture
def own(tmp_path):
    return CheckpointFolder(tmp_path / "own")


@pytest.fixture
def said():
    return []


def test_starts_at_the_first_epoch_without_checkpoints(settings, own, said):
    assert find_start(settings, None, DATA, said.append).epoch == 0
    assert find_start(settings, own, DATA, said.append).epoch == 0
    assert said == []


def test_resumes_from_its_own_checkpoint_and_prints_it(settings, own, said):
    save(own.folder, settings, 3)
    start = find_start(settings, own, DATA, said.append)
    assert start.epoch == 3
    assert start.run_id == "run"
    assert [row["epoch"] for row in start.history] == [3]
    assert said == [f"resuming from epoch 3, checkpoint in {own.folder}"]


def test_resumes_the_mlflow_run_that_became_known_after_the_checkpoint(settings, own, said):
    save(own.folder, settings, 3, run_id=None)
    assert find_start(settings, own, DATA, said.append).run_id is None
    CheckpointFolder(own.folder).note_run("run")
    assert find_start(settings, own, DATA, said.append).run_id == "run"


def test_more_epochs_are_the_same_run(settings, own, said):
    save(own.folder, settings, 3)
    assert find_start(replace(settings, epochs=99), own, DATA, said.append).epoch == 3


def test_its_own_checkpoint_comes_before_another_runs(settings, own, said, tmp_path):
    save(own.folder, settings, 3)
    save(tmp_path / "other", settings, 7)
    resuming = replace(settings, resume_from=tmp_path / "other")
    assert find_start(resuming, own, DATA, said.append).epoch == 3


@pytest.mark.parametrize("name", ["", "epoch-0007.npz"])
def test_resumes_from_another_run_with_other_parameters(settings, own, said, tmp_path, name):
    save(tmp_path / "other", replace(settings, batch_size=32), 7)
    place = tmp_path / "other" / name
    start = find_start(replace(settings, resume_from=place), own, DATA, said.append)
    assert start.epoch == 7
    assert start.history == ()
    assert start.run_id is None
    assert said == [
        f"resuming from epoch 7 of {place} (trained with another batch_size (32, not 64))"
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"first_layer_neurons": 8}, r"another first_layer_neurons \(8, not 256\)"),
        ({"learning_rate": 0.5}, r"another learning_rate \(0.5, not 0.01\)"),
        ({"seed": 1, "batch_size": 2}, r"another batch_size \(2, not 64\), seed \(1, not 42\)"),
    ],
)
def test_refuses_another_runs_checkpoints_as_its_own(settings, own, said, change, reason):
    save(own.folder, replace(settings, **change), 3)
    with pytest.raises(CheckpointError, match=rf"epoch-0003.npz: .*{reason} \(resume with"):
        find_start(settings, own, DATA, said.append)


def test_refuses_checkpoints_of_other_data(settings, own, said):
    save(own.folder, settings, 3, data="other")
    with pytest.raises(CheckpointError, match="other training data"):
        find_start(settings, own, DATA, said.append)


def test_refuses_checkpoints_beyond_the_last_epoch(settings, own, said):
    save(own.folder, settings, 21)
    # An older checkpoint would fit, but the metrics would include epochs that the model lacks.
    save(own.folder, settings, 20)
    with pytest.raises(CheckpointError, match=r"--epochs must be at least 21, .*, got 20$"):
        find_start(settings, own, DATA, said.append)
    assert not said


def test_refuses_to_resume_from_another_network(settings, said, tmp_path):
    save(tmp_path, replace(settings, second_layer_neurons=5), 3)
    with pytest.raises(CheckpointError, match=r"another second_layer_neurons \(5, not 128\)"):
        find_start(replace(settings, resume_from=tmp_path), None, DATA, said.append)


def test_refuses_to_resume_when_no_epoch_is_left(settings, said, tmp_path):
    save(tmp_path, settings, 20)
    with pytest.raises(CheckpointError, match=r"--epochs must be above 20, .* got 20"):
        find_start(replace(settings, resume_from=tmp_path), None, DATA, said.append)


@pytest.mark.parametrize("place", ["empty", "nowhere"])
def test_resume_from_must_hold_a_checkpoint(settings, said, tmp_path, place):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=f"--resume-from.*{place}"):
        find_start(replace(settings, resume_from=tmp_path / place), None, DATA, said.append)


def test_the_fingerprint_tells_data_apart():
    images, labels = np.zeros((4, 784), np.uint8), np.zeros(4, np.uint8)
    same = data_fingerprint(Digits(images.copy(), labels.copy()))
    assert data_fingerprint(Digits(images, labels)) == same
    assert data_fingerprint(Digits(images, labels + 1)) != same
    images[3, 700] = 1
    assert data_fingerprint(Digits(images, labels)) != same
