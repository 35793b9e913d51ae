"""The variants of a multirun: several train at the same time, and each is a run of its own."""

import csv
import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from mnist_exp.workspaces.local.tracking.database import STORE_NAME
from tests.support.command_line import PATIENCE_S, Cli
from tests.support.files import write_file
from tests.support.in_process import InProcessCli
from tests.support.small_jobs import LOGGER, description, files_below
from tests.support.waiting import eventually

#: A script that logs a value, waits for its gate, and logs a second value. A gate is a file that
#: must exist. The script creates the file `there_LR_SEED` first, so that two scripts can wait for
#: each other. An attempt that resumes does not log the first value again.
SCRIPT = """\
import argparse, pathlib, sys, time
from logger import log_metric

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=int)
parser.add_argument("--seed", type=int)
parser.add_argument("--gate")
parser.add_argument("--checkpoints", type=pathlib.Path)
arguments = parser.parse_args()
lr, seed = arguments.lr, arguments.seed
gate = pathlib.Path(arguments.gate.format(lr=lr, other=3 - seed))
kept = arguments.checkpoints / "step"
if not kept.exists():
    log_metric("score", lr, 1)
    kept.write_text("1")
(gate.parent / f"there_{lr}_{seed}").touch()
while not gate.exists():
    time.sleep(0.01)
log_metric("score", lr * 10 + seed, 2)
pathlib.Path("outputs", "model").mkdir()
pathlib.Path("outputs", "model", "weight.txt").write_text(str(lr))
if lr > 10:
    sys.exit("the weights went away")
"""

JOB = """\
experiment_name: variants
code: ../../code
script: fit.py
inputs: {lr: 1, seed: "${seed}", gate: /}
outputs: {checkpoints: {type: uri_folder}}
primary_metric: score
"""

MakeFolder = Callable[[str], tuple[InProcessCli, list[str]]]


@pytest.fixture(scope="module")
def make_folder(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, empty_store: Path
) -> MakeFolder:
    """Return a function that creates a folder with the user's own script."""

    def make(name: str) -> tuple[InProcessCli, list[str]]:
        cli = InProcessCli(tmp_path_factory.mktemp(name), cache)
        files = {"code/fit.py": SCRIPT, "code/logger.py": LOGGER, "conf/job/mine.yaml": JOB}
        for path, text in files.items():
            write_file(cli.folder / path, text)
        cli.outputs.mkdir()
        shutil.copyfile(empty_store, cli.outputs / STORE_NAME)
        return cli, ["--config-dir", "conf", "job=mine", "max_concurrent_variants=2"]

    return make


@pytest.fixture(scope="module")
def compared(make_folder: MakeFolder) -> tuple[InProcessCli, list[str], Any]:
    """A multirun in which the two seeds of each learning rate wait for each other."""
    cli, arguments = make_folder("compared")
    gate = f"job.inputs.gate='{cli.folder}/there_{{lr}}_{{other}}'"
    done = cli(*arguments, "-m", "stage=train", gate, "job.inputs.lr=1,11,2", "seed=1,2")
    return cli, arguments, done


def test_variants_train_at_the_same_time_and_a_failed_one_is_a_row(
    compared: tuple[InProcessCli, list[str], Any],
) -> None:
    cli, _, done = compared
    assert done.returncode == 1
    records = cli.records("train")
    statuses = ["Completed"] * 2 + ["Failed"] * 2 + ["Completed"] * 2
    assert [record["status"] for record in records] == statuses
    scores = [record["metrics"]["score"] for record in records]
    assert scores == [11, 12, 111, 112, 21, 22]
    rows = [line for line in done.stdout.splitlines() if "job.inputs.lr=" in line]
    assert [row.split()[3] for row in rows[:6]] == statuses
    assert done.stderr.count("error: train train_") == 2
    assert done.stderr.count("| the weights went away") == 2


def test_the_comparison_is_saved_with_the_mean_over_seeds(
    compared: tuple[InProcessCli, list[str], Any],
) -> None:
    cli, _, done = compared
    assert "11.5 ± 0.71" in done.stdout
    (path,) = cli.outputs.glob("multirun/*/*/comparison.json")
    assert str(path.relative_to(cli.folder)) in done.stdout
    content = json.loads(path.read_text(encoding="utf-8"))
    names = [record["name"] for record in cli.records("train")]
    assert [variant["name"] for variant in content["variants"]] == names
    groups = [(group["overrides"][-1], group["n"]) for group in content["over_seeds"]]
    assert groups == [("job.inputs.lr=1", 2), ("job.inputs.lr=2", 2)]
    with path.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["score"] for row in rows] == ["11.0", "12.0", "111.0", "112.0", "21.0", "22.0"]
    over_seeds = path.with_name("comparison_over_seeds.csv")
    with over_seeds.open(encoding="utf-8", newline="") as file:
        assert [(row["n"], row["score mean"]) for row in csv.DictReader(file)] == [
            ("2", "11.5"),
            ("2", "21.5"),
        ]


def test_a_multirun_and_each_variant_have_a_page(
    compared: tuple[InProcessCli, list[str], Any],
) -> None:
    cli, _, done = compared
    (page,) = cli.outputs.glob("multirun/*/*/report.html")
    assert str(page.relative_to(cli.folder)) in done.stdout
    text = page.read_text(encoding="utf-8")
    assert "4 of 6 variants Completed" in text
    assert "the weights went away" in text
    assert len([*cli.outputs.glob("multirun/*/*/*/report.html")]) == 6


def test_a_variant_is_a_run_like_any_other(
    compared: tuple[InProcessCli, list[str], Any],
) -> None:
    cli, arguments, _ = compared
    variant = cli.records("train")[1]
    done = cli.ok(*arguments, "stage=train", "seed=2")
    single = cli.records("train")[-1]
    assert variant.keys() == single.keys()
    assert variant["metrics"] == single["metrics"]
    assert variant["parameters"].keys() == single["parameters"].keys()
    assert variant["paths"].keys() == single["paths"].keys()
    assert "Completed" in done.stdout
    jobs = [cli.outputs / "jobs" / record["name"] for record in (variant, single)]
    assert files_below(jobs[0]) == files_below(jobs[1])
    assert [description(job)["fork_server"] is None for job in jobs] == [False, True]


def test_a_later_variant_uses_the_results_of_earlier_variants(make_folder: MakeFolder) -> None:
    cli, arguments = make_folder("mixed")
    done = cli.ok(*arguments, "-m", "stage=train,runs")
    (train,) = cli.records("train")
    (row,) = (line for line in done.stdout.splitlines() if line.startswith(train["name"]))
    assert "Completed" in row


def test_variants_may_differ_in_their_environment_or_be_shell_commands(
    make_folder: MakeFolder,
) -> None:
    cli, arguments = make_folder("different")
    (cli.folder / "conf/job/shell.yaml").write_text(
        "experiment_name: variants\ncode: ../../code\ncommand: echo said > outputs/said.txt\n"
        "primary_metric: null\n"
    )
    variables = "+job.environment_variables.COLOR=red,blue"
    cli.ok(*arguments, "-m", "stage=train", "job=mine,shell", variables)
    records = cli.records("train")
    assert [record["status"] for record in records] == ["Completed"] * 4
    jobs = [cli.outputs / "jobs" / record["name"] for record in records]
    assert [(job / "outputs/said.txt").exists() for job in jobs] == [False, False, True, True]
    # Libraries read variables when they are imported. Therefore only equal variables share a fork.
    servers = [description(job)["fork_server"] for job in jobs]
    assert servers[1:] == [None] * 3


@contextmanager
def waiting_multirun(cli: Cli, arguments: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """Start a multirun with four variants. One has completed, two wait for gates, one is queued."""
    (cli.folder / "open_1").touch()
    gate = f"job.inputs.gate='{cli.folder}/open_{{lr}}'"
    process = subprocess.Popen(
        cli.command(*arguments, "-m", "stage=train", gate, "job.inputs.lr=1,2,3,4", "seed=1"),
        cwd=cli.folder,
        env=cli.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        there = [cli.folder / f"there_{lr}_1" for lr in (1, 2, 3)]
        eventually(lambda: all(path.exists() for path in there), PATIENCE_S)
        eventually(lambda: cli.records("train")[0]["status"] == "Completed", PATIENCE_S)
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_variants_of_a_killed_multirun_resume_by_name(make_folder: MakeFolder) -> None:
    cli, arguments = make_folder("killed")
    with waiting_multirun(cli, arguments) as process:
        children = psutil.Process(process.pid).children(recursive=True)
        eventually(lambda: any(cli.outputs.glob("multirun/*/*/report.html")), PATIENCE_S)
        process.kill()
        process.communicate()
    (page,) = cli.outputs.glob("multirun/*/*/report.html")
    assert '"status":"1 of 4 variants Completed","is_running":true' in page.read_text("utf-8")
    before = cli.records("train")
    statuses = [record["status"] for record in before]
    assert statuses == ["Completed", "Running", "Running", "NotStarted"]
    for lr, record in enumerate(before[1:], start=2):
        (cli.folder / f"open_{lr}").touch()
        cli.ok("stage=train", f"run={record['name']}")
        again = cli.records("train")[-1]
        assert (again["status"], again["metrics"]) == ("Completed", {"score": lr * 10 + 1})
        assert again["parameters"]["lr"] == lr
    # The first resume began at once, so that it may have met processes of the killed command.
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
    assert children
    assert alive == []
    refused = cli("stage=train", f"run={before[0]['name']}")
    assert "which is Completed" in refused.stderr


def test_interrupts_cancel_one_variant_or_all(make_folder: MakeFolder) -> None:
    cli, arguments = make_folder("canceled")
    with waiting_multirun(cli, arguments) as process:
        refused = cli("stage=cancel", f"run={cli.records('train')[3]['name']}")
        assert "a variant that waits; cancel the variant when it runs" in refused.stderr
        cli.ok("stage=cancel", f"run={cli.records('train')[1]['name']}")
        # The last variant takes the place of the canceled variant.
        eventually((cli.folder / "there_4_1").exists, PATIENCE_S)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
    assert alive == []
    records = cli.records("train")
    statuses = [record["status"] for record in records]
    assert statuses == ["Completed", "Canceled", "Canceled", "Canceled"]
    assert "  1, 2, 3 Canceled: canceled by the user\n" in out
    assert all(f"canceled: {record['name']}" in err for record in records[1:])
    assert "canceled: all jobs of this command have ended" in err
    assert "Traceback" not in err
