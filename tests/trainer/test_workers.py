"""Workers that train together, as real processes."""

import json
import socket

import pytest

from mnist_exp.workspaces.local.processes.workers import worker_environments
from tests.trainer.forking import ForkedScript


def free_ports(count) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start_workers(jobs) -> list[ForkedScript]:
    """Start the workers with the variables that a job of a local workspace has."""
    environments = worker_environments([{} for _ in jobs])
    return [job.start(**each) for job, each in zip(jobs, environments, strict=True)]


@pytest.mark.soak
def test_a_lost_worker_ends_the_other_and_a_restart_resumes(new_job, tmp_path):
    jobs = [new_job("--epochs", "30", "--checkpoints", str(tmp_path)) for _ in range(2)]
    processes = start_workers(jobs)
    processes[0].read_until("epoch  3/30")
    processes[1].kill()
    _, err = processes[0].communicate()
    processes[1].communicate()
    assert processes[0].returncode == 1
    assert err.splitlines()[-1].startswith("error: another worker of this job was lost: ")
    results = [process.communicate() for process in start_workers(jobs)]
    assert "resuming from epoch" in results[0][0]
    assert "resuming from epoch" in results[1][0]
    assert [step for step, _ in jobs[0].history()["loss"]] == list(range(1, 31))


@pytest.mark.xdist_group("trained")
def test_two_workers_train_as_one_and_the_chief_alone_writes(new_job, trained):
    # `trained` has more epochs. The learning rate is constant, so its first epochs are the same.
    arguments = ("--epochs", "4", "--checkpoints", "checkpoints", "--learning-rate", "0.05")
    jobs = [new_job(*arguments) for _ in range(2)]
    processes = start_workers(jobs)
    results = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert "on 2 workers" in results[0][0]
    together, alone = jobs[0].history(), trained[0].history()
    assert [step for step, _ in together["loss"]] == [1, 2, 3, 4]
    for key in ("loss", "training_acc", "validation_acc"):
        expected = [value for _, value in alone[key][:4]]
        assert [value for _, value in together[key]] == pytest.approx(expected, abs=2e-3)
    assert jobs[1].history() == {}
    assert list(jobs[1].folder.iterdir()) == []


def test_workers_with_other_settings_end_with_the_difference(new_job):
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
        assert f"starting checkpoint (here {begin}" in end
    assert [step for step, _ in jobs[0].history()["loss"]] == [1]


def test_a_worker_that_waits_for_another_can_be_stopped(new_job):
    missing, ours = (f"127.0.0.1:{port}" for port in free_ports(2))
    task = {"type": "worker", "index": 1}
    config = json.dumps({"cluster": {"worker": [missing, ours]}, "task": task})
    with new_job("--epochs", "1").start(TF_CONFIG=config) as process:
        process.read_until(f"worker 1 of 2: waits for {missing}")
        process.terminate()
        process.communicate()
    assert process.returncode == 143
