"""The script as a user runs it: real processes, a real MLflow store."""

import json
import random
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from digits.errors import SettingsError
from digits.run import OUTPUTS, _make

# The run that the others are compared with is made once.
pytestmark = pytest.mark.xdist_group("trained")

PATIENCE_S = 60


def weights(job, epoch) -> dict[str, np.ndarray]:
    with np.load(job.folder / "checkpoints" / f"epoch-{epoch:04}.npz") as arrays:
        return {name: arrays[name] for name in arrays if name.startswith("weight_")}


def assert_same_run(one, other, epoch) -> None:
    first, second = weights(one, epoch), weights(other, epoch)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert one.history() == other.history()


def read_until(process, text) -> None:
    for line in process.stdout:
        if text in line:
            return
    pytest.fail(f"ended before {text!r}: {process.stderr.read()}")


def test_logs_every_epoch_and_prints_a_summary(trained):
    job, result = trained
    history = job.history()
    for key in ("loss", "training_acc", "validation_acc"):
        assert [step for step, _ in history[key]] == list(range(1, 41))
    assert history["final_acc"] == history["validation_acc"][-1:]
    assert history["test_acc"][0][1] > 0.9
    lines = result.out.splitlines()
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert len(epochs) == 40
    assert epochs[0].startswith("epoch  1/40  loss ")
    assert "images/s on CPU" in result.out
    assert "s after the process started" in result.out
    assert result.err == ""


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


def test_the_same_seed_repeats_a_run_exactly(trained, new_job, long_arguments):
    again = new_job(*long_arguments)
    assert again.finish().code == 0
    assert_same_run(trained[0], again, 40)


def kill_at_moments(job, moments) -> None:
    for moment in moments:
        process = job.start()
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@pytest.mark.parametrize(
    ("kills", "seed"),
    [pytest.param(3, 1, id="3-kills"), pytest.param(20, 2, id="20-kills", marks=pytest.mark.soak)],
)
def test_a_run_killed_at_random_moments_ends_as_if_it_had_not_been(
    trained, new_job, long_arguments, kills, seed
):
    whole, result = trained
    dice = random.Random(seed)
    # From the first imports to the export; most moments hit the training between them.
    moments = [dice.uniform(0.3, 1.0) * result.seconds for _ in range(kills)]
    # A kill at each moment, in jobs of three: a job that is killed more often sees little new.
    for start in range(0, kills, 3):
        job = new_job(*long_arguments)
        kill_at_moments(job, moments[start : start + 3])
        last = job.finish()
        assert last.code == 0, last.err
        assert_same_run(whole, job, 40)


def test_sigterm_ends_it_in_order_and_another_run_can_go_on_from_there(new_job):
    # The last epoch that was through is kept, whether it was its turn or not.
    words = ("--checkpoints", "checkpoints", "--checkpoint-every", "1000")
    job = new_job("--epochs", "100000", *words)
    process = job.start()
    read_until(process, "epoch      5/100000")
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
    assert f"resuming from epoch {done} of {kept} (it was trained with another" in result.out
    assert [step for step, _ in other.history()["loss"]] == [done + 1, done + 2]
    evaluation = json.loads((other.folder / "outputs" / "evaluation.json").read_text())
    assert evaluation["resumed_from"] == done


def test_a_tracking_server_that_never_answers_holds_up_neither_training_nor_the_stop(new_job):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        job = new_job("--epochs", "100000", "--checkpoints", "checkpoints")
        process = job.start(MLFLOW_TRACKING_URI=uri)
        read_until(process, "epoch      5/100000")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
    assert process.returncode == 143
    assert "started again, the run will go on from its last checkpoint" in err
    assert list((job.folder / "checkpoints").glob("epoch-*.npz"))


def test_sigterm_before_training_begins_has_the_same_exit_code(new_job):
    job = new_job("--checkpoints", "checkpoints")
    process = job.start(PYTHONVERBOSE="1")
    # Python tells of each import: that of TensorFlow comes next, and takes seconds.
    while not (line := process.stderr.readline()).startswith("import 'digits.lean'"):
        if not line:
            process.communicate()
            pytest.fail("it ended before it imported TensorFlow")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 143
    assert "stopped by SIGTERM; started again, the run will begin again" in err


def free_ports(count) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start_workers(jobs) -> list[subprocess.Popen]:
    workers = [f"127.0.0.1:{port}" for port in free_ports(len(jobs))]
    configs = [
        {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        for index in range(len(jobs))
    ]
    return [
        job.start(TF_CONFIG=json.dumps(config)) for job, config in zip(jobs, configs, strict=True)
    ]


@pytest.mark.soak
def test_a_lost_worker_ends_the_other_and_a_restart_goes_on(new_job, tmp_path):
    jobs = [new_job("--epochs", "30", "--checkpoints", str(tmp_path)) for _ in range(2)]
    processes = start_workers(jobs)
    read_until(processes[0], "epoch  3/30")
    processes[1].kill()
    _, err = processes[0].communicate()
    processes[1].communicate()
    assert processes[0].returncode == 1
    assert err.splitlines()[-1].startswith("error: another worker of this job was lost: ")
    results = [process.communicate() for process in start_workers(jobs)]
    assert "resuming from epoch" in results[0][0]
    assert "resuming from epoch" in results[1][0]
    assert [step for step, _ in jobs[0].history()["loss"]] == list(range(1, 31))


def test_two_workers_train_as_one_and_the_chief_alone_writes(new_job):
    arguments = ("--epochs", "5", "--checkpoints", "checkpoints", "--learning-rate", "0.05")
    jobs = [new_job(*arguments) for _ in range(2)]
    processes = start_workers(jobs)
    results = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert "on 2 workers" in results[0][0]
    alone = new_job(*arguments)
    assert alone.finish().code == 0
    together, single = jobs[0].history(), alone.history()
    assert [step for step, _ in together["loss"]] == [1, 2, 3, 4, 5]
    for key, values in single.items():
        assert [v for _, v in together[key]] == pytest.approx([v for _, v in values], abs=2e-3)
    assert jobs[1].history() == {}
    assert list(jobs[1].folder.iterdir()) == []


def test_workers_that_do_not_do_the_same_end_with_a_line_that_says_so(new_job):
    jobs = [new_job("--epochs", "2", "--checkpoints", "own", "--seed", seed) for seed in "12"]
    assert jobs[0].finish("--epochs", "1").code == 0
    processes = start_workers(jobs)
    ends = [process.communicate()[1].splitlines()[-1] for process in processes]
    assert [process.returncode for process in processes] == [1, 1], ends
    for end, seed, begin in zip(ends, "12", ("epoch 1, ", "none)"), strict=True):
        assert (
            f"error: the workers of this job differ in seed (here {seed}), training part (here"
            in end
        )
        assert f"checkpoint to begin with (here {begin}" in end
    assert [step for step, _ in jobs[0].history()["loss"]] == [1]


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


def test_a_worker_that_waits_for_another_says_so_and_hears_a_stop(new_job):
    missing, ours = (f"127.0.0.1:{port}" for port in free_ports(2))
    task = {"type": "worker", "index": 1}
    config = json.dumps({"cluster": {"worker": [missing, ours]}, "task": task})
    with new_job("--epochs", "1").start(TF_CONFIG=config) as process:
        read_until(process, f"worker 1 of 2: waits for {missing}")
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143


def test_a_stop_while_the_last_metrics_are_written_is_heard(new_job):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with new_job("--epochs", "1").start(MLFLOW_TRACKING_URI=uri) as process:
            read_until(process, "model in")
            process.terminate()
            _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143
    assert said.startswith("stopped by SIGTERM after the last epoch: ")


def test_a_kill_while_the_store_is_made_leaves_one_that_can_be_used(new_job):
    job = new_job("--epochs", "2", "--checkpoints", "checkpoints")
    store = job.folder / "mlflow.db"
    with job.start(MLFLOW_TRACKING_URI="", MLFLOW_RUN_ID="") as process:
        # Its tables are being made: so far under another name.
        while not (job.folder / ".mlflow.db.new").exists():
            assert process.poll() is None
        process.kill()
    assert not store.exists()
    result = job.finish(MLFLOW_TRACKING_URI="", MLFLOW_RUN_ID="")
    assert result.code == 0, result.err
    (run,) = MlflowClient(f"sqlite:///{store}").search_runs(["0"])
    history = MlflowClient(f"sqlite:///{store}").get_metric_history(run.info.run_id, "loss")
    assert [metric.step for metric in history] == [1, 2]


def test_a_folder_that_cannot_be_written_is_told_of_before_any_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs").write_text("")
    with pytest.raises(SettingsError, match=f"it goes to {tmp_path / 'outputs'}, which cannot"):
        _make(OUTPUTS, "it goes to", "choose")


def test_an_outputs_folder_of_somebody_elses_is_told_of_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Nobody may write there, root included.
    (tmp_path / "outputs").symlink_to("/proc")
    with pytest.raises(SettingsError, match="which cannot be written"):
        _make(OUTPUTS, "it goes to", "choose")


def test_checkpoints_that_could_never_be_written_are_told_of_before_any_training(new_job):
    # Nobody may write there, root included.
    result = new_job("--epochs", "1", "--checkpoints", "/proc/checkpoints").finish()
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith("error: --checkpoints: /proc/checkpoints, which cannot be written (")
    assert "epoch" not in result.out


def test_a_run_of_one_step_tells_when_it_was_and_no_speed(new_job):
    job = new_job("--epochs", "1", "--batch-size", "3600")
    result = job.finish()
    assert result.code == 0, result.err
    speed = json.loads((job.folder / "outputs" / "evaluation.json").read_text())["speed"]
    assert speed["seconds_to_first_step"] > 0
    assert "images_per_second" not in speed
    assert "\non CPU" in result.out
    assert "s after the process started" in result.out
