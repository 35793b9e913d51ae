"""The script as a user runs it: real processes, a real MLflow store."""

import itertools
import json
import random
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

#: Tests that compare with the run `trained`: one worker makes it, once.
uses_trained = pytest.mark.xdist_group("trained")


def weights(job, epoch) -> dict[str, np.ndarray]:
    with np.load(job.folder / "checkpoints" / f"epoch-{epoch:04}.npz") as arrays:
        return {name: arrays[name] for name in arrays if name.startswith("weight_")}


def assert_same_run(one, other, epoch) -> None:
    first, second = weights(one, epoch), weights(other, epoch)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert one.history() == other.history()


@uses_trained
def test_logs_every_epoch_and_prints_a_summary(trained):
    job, result = trained
    history = job.history()
    for key in ("loss", "training_acc", "validation_acc"):
        assert [step for step, _ in history[key]] == list(range(1, 41))
    # Each number has one name.
    assert set(history) == {"loss", "training_acc", "validation_acc", "test_acc"}
    assert history["test_acc"][0][1] > 0.9
    lines = result.out.splitlines()
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert len(epochs) == 40
    assert epochs[0].startswith("epoch  1/40  loss ")
    assert "images/s on CPU" in result.out
    assert "s after the process started" in result.out
    assert result.err == ""


@uses_trained
def test_leaves_model_evaluation_and_two_checkpoints(trained):
    job, _ = trained
    outputs = job.folder / "outputs"
    evaluation = json.loads((outputs / "evaluation.json").read_text())
    assert evaluation["test_acc"] == job.history()["test_acc"][0][1]
    speed = evaluation["speed"]
    assert speed["images_per_second"] > 0
    assert speed["seconds_to_first_step"] > 0
    assert speed["device"].startswith("CPU")
    assert "resumed_from" not in evaluation
    assert sorted(path.name for path in outputs.iterdir()) == ["evaluation.json", "model"]
    assert (outputs / "model" / "assets.extra" / "dense.npz").is_file()
    assert sorted(path.name for path in (job.folder / "checkpoints").iterdir()) == [
        "epoch-0039.npz",
        "epoch-0040.npz",
    ]


@uses_trained
def test_the_same_seed_repeats_a_run_exactly(trained, new_job, long_arguments):
    again = new_job(*long_arguments)
    assert again.finish().code == 0
    assert_same_run(trained[0], again, 40)


@uses_trained
def test_a_run_killed_at_random_moments_ends_as_if_not_killed(trained, new_job, long_arguments):
    dice = random.Random(1)
    job = new_job(*long_arguments)
    for _ in range(3):
        with job.start() as process:
            # From the start of the training to the export, because each attempt resumes.
            list(itertools.islice(process.stdout, dice.randrange(1, 25)))
            time.sleep(dice.uniform(0, 0.1))
            process.kill()
    last = job.finish()
    assert last.code == 0, last.err
    assert_same_run(trained[0], job, 40)


@pytest.mark.soak
def test_a_cold_run_killed_at_random_moments_ends_as_if_not_killed(new_job, long_arguments):
    whole = new_job(*long_arguments)
    seconds = whole.finish_cold().seconds
    dice = random.Random(2)
    for _ in range(7):
        job = new_job(*long_arguments)
        # Each job is killed three times: further kills of the same job would test little more.
        for _ in range(3):
            process = job.start_cold()
            try:
                # From the first imports to the export; most moments hit the training.
                process.communicate(timeout=dice.uniform(0.3, 1.0) * seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        last = job.finish()
        assert last.code == 0, last.err
        assert_same_run(whole, job, 40)


def test_sigterm_saves_a_checkpoint_that_another_run_resumes_from(new_job):
    # The last complete epoch is saved, although checkpoints are 1000 epochs apart.
    words = ("--checkpoints", "checkpoints", "--checkpoint-every", "1000")
    job = new_job("--epochs", "100000", *words)
    process = job.start()
    process.read_until("epoch      5/100000")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 143
    assert "stopped by SIGTERM" in err
    kept = max((job.folder / "checkpoints").glob("epoch-*.npz"))
    done = int(kept.stem.removeprefix("epoch-"))
    assert len(job.history()["loss"]) == done

    other = new_job("--epochs", str(done + 2), "--resume-from", str(kept), "--batch-size", "32")
    result = other.finish()
    assert result.code == 0, result.err
    assert f"resuming from epoch {done} of {kept} (trained with another" in result.out
    assert [step for step, _ in other.history()["loss"]] == [done + 1, done + 2]
    evaluation = json.loads((other.folder / "outputs" / "evaluation.json").read_text())
    assert evaluation["resumed_from"] == done


def test_a_tracking_server_that_never_answers_delays_neither_training_nor_stop(new_job):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        job = new_job("--epochs", "100000", "--checkpoints", "checkpoints")
        process = job.start(MLFLOW_TRACKING_URI=uri)
        process.read_until("epoch      5/100000")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
    assert process.returncode == 143
    assert "run the same command again: the run will resume from its last checkpoint" in err
    assert list((job.folder / "checkpoints").glob("epoch-*.npz"))


def test_sigterm_before_training_begins_has_the_same_exit_code(new_job):
    job = new_job("--checkpoints", "checkpoints")
    process = job.start_cold(PYTHONVERBOSE="1")
    # Python prints each import. That of TensorFlow comes next, and takes seconds.
    while not (line := process.stderr.readline()).startswith("import 'digits.lean'"):
        if not line:
            process.communicate()
            pytest.fail("it ended before it imported TensorFlow")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 143
    assert "stopped by SIGTERM; run the same command again: the run will restart" in err


def test_bad_data_is_one_line_and_exit_1(new_job, sample, tmp_path):
    for path in sample.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[:-100])
    job = new_job("--data-folder", str(tmp_path))
    result = job.finish()
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith(f"error: {tmp_path}/train-images-idx3-ubyte.gz: ")
    assert list(job.folder.iterdir()) == []


def test_help_and_wrong_flags_load_nothing_heavy(trainer):
    code = (
        "import sys; sys.argv = ['train.py', {flag!r}]; import train\n"
        "try: train.main()\n"
        "except SystemExit as end: print(end.code, {{'numpy', 'tensorflow'}} & set(sys.modules))"
    )
    for flag, answer in (("--help", "0 set()"), ("--epochs=0", "2 set()")):
        result = subprocess.run(
            [sys.executable, "-c", code.format(flag=flag)],
            cwd=trainer,
            capture_output=True,
            check=True,
            text=True,
        )
        assert result.stdout.splitlines()[-1] == answer


def test_sigterm_while_the_last_metrics_are_written_stops_the_run(new_job):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with new_job("--epochs", "1").start(MLFLOW_TRACKING_URI=uri) as process:
            process.read_until("model in")
            process.terminate()
            _, said = process.communicate()
    assert process.returncode == 143
    assert said.startswith("stopped by SIGTERM after the last epoch: ")


def test_a_kill_while_the_store_is_created_leaves_no_broken_store(new_job):
    job = new_job("--epochs", "2", "--checkpoints", "checkpoints")
    store = job.folder / "mlflow.db"
    with job.start(MLFLOW_TRACKING_URI="", MLFLOW_RUN_ID="") as process:
        # MLflow creates its tables, in a file of another name.
        while not (job.folder / ".mlflow.db.new").exists():
            assert process.poll() is None
        process.kill()
    assert not store.exists()
    result = job.finish(MLFLOW_TRACKING_URI="", MLFLOW_RUN_ID="")
    assert result.code == 0, result.err
    (run,) = MlflowClient(f"sqlite:///{store}").search_runs(["0"])
    history = MlflowClient(f"sqlite:///{store}").get_metric_history(run.info.run_id, "loss")
    assert [metric.step for metric in history] == [1, 2]


def test_unwritable_checkpoints_are_reported_before_any_training(new_job):
    # Nobody may write there, root included.
    result = new_job("--epochs", "1", "--checkpoints", "/proc/checkpoints").finish()
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith("error: --checkpoints: the folder /proc/checkpoints cannot be written (")
    assert "epoch" not in result.out


def test_a_run_of_one_step_reports_its_time_and_no_speed(new_job):
    job = new_job("--epochs", "1", "--batch-size", "3600")
    result = job.finish()
    assert result.code == 0, result.err
    speed = json.loads((job.folder / "outputs" / "evaluation.json").read_text())["speed"]
    assert speed["seconds_to_first_step"] > 0
    assert "images_per_second" not in speed
    assert "\non CPU" in result.out
    assert "s after the process started" in result.out
