"""Jobs that resume after a failure, an eviction or an interrupt, and jobs of several workers.

Commands run in this process unless a signal is sent to them. Their jobs are processes either way.
"""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mnist_exp.workspaces.local.tracking.store import Tracking
from tests.support.command_line import Cli
from tests.support.in_process import InProcessCli
from tests.support.small_jobs import LOGGER, description
from tests.support.tutorial import TUTORIAL_GROUP

#: Writes a checkpoint and fails at the first attempt. Prints the files that it finds at each.
TWO_ATTEMPTS = """\
import argparse, pathlib, sys

parser = argparse.ArgumentParser()
parser.add_argument("--checkpoints", type=pathlib.Path)
folder = parser.parse_args().checkpoints
found = sorted(path.name for path in folder.iterdir())
print("found", found, "and", sorted(path.name for path in pathlib.Path("outputs").iterdir()))
pathlib.Path("outputs", "half").write_text("made before the end")
(folder / "epoch-1").write_text("1")
sys.exit(0 if found else 1)
"""

#: The second worker fails after the first one has printed. The first one would wait forever.
CLUSTER = """\
import json, os, pathlib, sys, time

config = json.loads(os.environ["TF_CONFIG"])
print("worker", config["task"]["index"], "of", len(config["cluster"]["worker"]), flush=True)
print("rank", os.environ["AZUREML_CR_NODE_RANK"], "of", os.environ["AZUREML_NODE_COUNT"])
there = pathlib.Path("there")
if config["task"]["index"] == 1:
    while not there.exists():
        time.sleep(0.01)
    print("the link is down")
    sys.exit(3)
sys.stdout.flush()
there.touch()
time.sleep(600)
"""

JOB = """\
experiment_name: attempts
code: ../../code
script: {script}
outputs: {outputs}
primary_metric: score
"""


@pytest.fixture
def cli(stored_cli: InProcessCli) -> InProcessCli:
    return stored_cli


@pytest.fixture
def own_script(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], list[str]]:
    """Return a function that returns the arguments for a job of one's own script."""

    def make(text: str, outputs: str = "{}") -> list[str]:
        root = tmp_path_factory.mktemp("own")
        (root / "code").mkdir()
        (root / "code" / "script.py").write_text(text, encoding="utf-8")
        (root / "code" / "logger.py").write_text(LOGGER, encoding="utf-8")
        (root / "conf" / "job").mkdir(parents=True)
        job = JOB.format(script="script.py", outputs=outputs)
        (root / "conf" / "job" / "own.yaml").write_text(job, encoding="utf-8")
        return ["--config-dir", str(root / "conf"), "job=own"]

    return make


def test_a_failed_run_is_resumed(cli: Cli, own_script: Callable[..., list[str]]) -> None:
    arguments = own_script(TWO_ATTEMPTS, "{checkpoints: {type: uri_folder}}")
    failed = cli(*arguments, "stage=train")
    name = cli.records("train")[0]["name"]
    assert failed.returncode == 1
    assert f"run={name}" in failed.stderr

    cli.ok(*arguments, "stage=train", f"run={name}")
    first, second = cli.records("train")
    assert (first["status"], second["status"]) == ("Failed", "Completed")
    assert first["name"] == second["name"]
    # Named outputs stay. The failed attempt's ./outputs is deleted.
    assert "found ['epoch-1'] and []" in Path(second["paths"]["log"]).read_text(encoding="utf-8")

    again = cli(*arguments, "stage=train", f"run={name}")
    assert again.returncode == 1
    assert "which is Completed" in again.stderr


def test_a_resumed_run_keeps_its_config(cli: Cli, own_script: Callable[..., list[str]]) -> None:
    arguments = own_script(TWO_ATTEMPTS, "{checkpoints: {type: uri_folder}}")
    began = cli(*arguments, "stage=train", "seed=7")
    name = cli.records("train")[0]["name"]
    assert f"resume the job with: mnist-exp stage=train run={name}\n" in began.stderr
    for changed in ("seed=8", "job=tutorial"):
        other = cli("stage=train", f"run={name}", changed)
        assert other.returncode == 1
        assert f"; train {name} was submitted with " in other.stderr
        assert f"; remove the override {changed}, or" in other.stderr
    assert len(cli.records("train")) == 1
    cli.ok("stage=train", f"run={name}")


METRIC = """\
import os, signal
from logger import log_metric
log_metric("accuracy", 0.5)
"""


def test_a_primary_metric_that_was_not_logged_is_a_warning(
    cli: Cli, own_script: Callable[..., list[str]]
) -> None:
    done = cli.ok(*own_script(METRIC), "stage=train", "job.primary_metric=acuracy")
    (warning,) = cli.records("train")[0]["warnings"]
    assert warning.startswith("job.primary_metric: the script did not log 'acuracy'; ")
    assert "did you mean" in warning
    assert "did not log" in done.stdout


def test_a_job_without_a_model_cannot_be_registered(
    cli: Cli, own_script: Callable[..., list[str]]
) -> None:
    cli.ok(*own_script("print('no model')"), "stage=train")
    name = cli.records("train")[0]["name"]
    done = cli("stage=register", f"run={name}")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        f"error: registration.path: must be a saved file or folder of job {name}"
    )
    assert cli.records("register") == []


def test_an_interrupted_run_keeps_its_metrics(
    cli: Cli, own_script: Callable[..., list[str]]
) -> None:
    script = f"{METRIC}os.kill(int(os.environ['MAIN']), signal.SIGINT); signal.pause()"
    arguments = own_script(script)
    naming = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "main = f\"job.environment_variables.MAIN='{os.getpid()}'\"; "
        "os.execv(sys.argv[1], [*sys.argv[1:], main])"
    )
    command = cli.command(*arguments, "stage=train", "+job.inputs.x=1")
    done = cli.run([sys.executable, "-c", naming, *command])
    assert done.returncode == 130, done.stderr
    (record,) = cli.records("train")
    assert record["status"] == "Canceled"
    assert record["metrics"] == {"accuracy": 0.5}
    assert record["parameters"] == {"x": 1}
    assert Path(record["paths"]["log"]).is_file()
    assert f"run={record['name']}" in done.stderr


def test_an_unknown_run_cannot_be_resumed(cli: Cli) -> None:
    done = cli("stage=train", "run=nobody")
    assert done.returncode == 1
    assert done.stderr.startswith("error: run: no training run nobody in outputs")


def test_a_job_fails_with_the_log_of_the_worker_that_failed(
    cli: Cli, own_script: Callable[..., list[str]]
) -> None:
    cluster = ["job.distribution.type=tensorflow", "job.distribution.worker_count=2"]
    done = cli(*own_script(CLUSTER), "stage=train", *cluster)
    assert done.returncode == 1
    assert "exit code 3" in done.stderr
    assert "the link is down" in done.stderr
    assert "std_log_process_1.txt" in done.stderr
    logs = Path(cli.records("train")[0]["paths"]["folder"], "user_logs")
    text = (logs / "std_log_process_1.txt").read_text(encoding="utf-8")
    assert "worker 1 of 2" in text
    assert "rank 1 of 2" in text
    assert "worker 0 of 2" in (logs / "std_log_process_0.txt").read_text(encoding="utf-8")


def test_parameter_servers_are_refused_with_a_reason(cli: Cli) -> None:
    done = cli("stage=train", "job.distribution.parameter_server_count=1")
    assert done.returncode == 1
    assert (
        "job.distribution.parameter_server_count: must be 0, got 1; with parameter" in done.stderr
    )


def test_eviction_needs_low_priority_nodes(cli: Cli) -> None:
    done = cli("stage=train", "compute.evict_after_epochs=3")
    assert done.returncode == 1
    assert "add compute=low_priority" in done.stderr


@pytest.mark.xdist_group(TUTORIAL_GROUP)
def test_an_evicted_run_resumes_warns_and_ends_like_one_with_the_same_seed(
    cli: Cli, tutorial: Cli
) -> None:
    done = cli.ok("stage=train", "compute=low_priority", "compute.evict_after_epochs=3")
    record = cli.records("train")[0]
    warned = re.search(
        r"evicted after (\d+) epochs?.* resumed from epoch (\d+) and lost ([01]) epochs?",
        record["warnings"][0],
    )
    assert warned is not None
    assert int(warned[1]) >= 3
    assert abs(int(warned[1]) - int(warned[2])) <= 1
    assert "evicted after" in done.stdout + done.stderr
    undisturbed = tutorial.records("train")[0]["metrics"]
    assert record["metrics"] == undisturbed
    evaluation = Path(record["paths"]["folder"], "outputs", "evaluation.json")
    assert json.loads(evaluation.read_text())["test_acc"] == undisturbed["test_acc"]


#: Waits for its eviction, fails at the second attempt, and completes at the third.
THREE_ATTEMPTS = """\
import argparse, pathlib, signal, sys

parser = argparse.ArgumentParser()
parser.add_argument("--checkpoints", type=pathlib.Path)
folder = parser.parse_args().checkpoints
attempts = len(list(folder.iterdir())) + 1
(folder / str(attempts)).touch()
print("epoch 1/1", flush=True)
if attempts == 1:
    signal.pause()
sys.exit(attempts < 3)
"""


def test_a_resumed_job_is_not_evicted_again(cli: Cli, own_script: Callable[..., list[str]]) -> None:
    arguments = [
        *own_script(THREE_ATTEMPTS, "{checkpoints: {type: uri_folder}}"),
        "stage=train",
        "compute=low_priority",
        "compute.evict_after_epochs=1",
    ]
    assert "evicted after 1 epoch " in cli(*arguments).stderr
    name = cli.records("train")[0]["name"]
    again = cli.ok(*arguments, f"run={name}")
    assert "is not evicted, because the key applies only to the first" in again.stderr
    first, second = cli.records("train")
    assert [first["status"], second["status"]] == ["Failed", "Completed"]
    assert not any("evicted" in warning for warning in second["warnings"])


# The trainer's `test_workers.py` and the test of a failed worker above are the short form.
@pytest.mark.soak
@pytest.mark.xdist_group(TUTORIAL_GROUP)
def test_two_workers_reach_the_accuracy_of_one(cli: Cli, tutorial: Cli) -> None:
    workers = ("job.distribution.type=tensorflow", "job.distribution.worker_count=2")
    cli.ok("stage=train", "model.epochs=8", *workers)
    record = cli.records("train")[0]
    # The learning rate is constant, so epoch 8 of a longer training is the same.
    folder = Path(tutorial.records("train")[0]["paths"]["folder"])
    points = Tracking(tutorial.outputs).history(
        description(folder)["mlflow_run_id"], "validation_acc"
    )
    (expected,) = (point.value for point in points if point.step == 8)
    assert record["metrics"]["validation_acc"] == pytest.approx(expected, abs=0.01)
    log = Path(record["paths"]["log"]).read_text(encoding="utf-8")
    assert "2 workers" in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_before_the_job_is_an_interrupt_too(cli: Cli, number: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        arguments = ["stage=train", "data=mnist", f"data.url={address}", "data.cache_dir=digits"]
        process = subprocess.Popen(
            cli.command(*arguments),
            cwd=cli.folder,
            env=cli.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        # The command now waits for the answer to its download.
        silent.settimeout(60)
        connection, _ = silent.accept()
        with connection:
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    assert not list((cli.folder / "outputs").rglob("run.json"))


def test_a_hangup_is_ignored_under_nohup(cli: Cli, own_script: Callable[..., list[str]]) -> None:
    script = "import os, signal; os.kill(int(os.environ['MAIN']), signal.SIGHUP)"
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
        "main = f\"job.environment_variables.MAIN='{os.getpid()}'\"; "
        "os.execv(sys.argv[1], [*sys.argv[1:], main])"
    )
    command = cli.command(*own_script(script), "stage=train")
    done = cli.run([sys.executable, "-c", ignoring, *command])
    assert done.returncode == 0, done.stderr
