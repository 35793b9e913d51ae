"""Sweeps of a user's own script: interrupted, killed, resumed and compared.

Only the commands that are interrupted or killed are processes.
"""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.command_line import PATIENCE_S, Cli
from tests.support.files import write_file
from tests.support.in_process import InProcessCli
from tests.support.small_jobs import LOGGER
from tests.support.waiting import eventually

#: The last trial waits for the gate after its first value.
SLOW = """\
import argparse, pathlib, time
from logger import log_metric

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
lr = parser.parse_args().lr
gate = pathlib.Path({gate!r})
for step in range(3):
    log_metric("score", lr * step, step=step)
    while lr > 1 and not gate.exists():
        time.sleep(0.02)
"""

JOB = """\
experiment_name: mine
code: ../../code
script: fit.py
inputs: {lr: 0.5}
primary_metric: score
"""

SWEEP = """\
sampling_algorithm: {type: grid}
search_space:
  lr: {type: choice, values: [0.25, 0.5, 2.0]}
objective: {primary_metric: score, goal: maximize}
limits: {max_total_trials: 3, max_concurrent_trials: 2}
early_termination: null
"""


@pytest.fixture
def cli(stored_cli: InProcessCli) -> InProcessCli:
    return stored_cli


def journal(cli: Cli) -> list[dict[str, object]]:
    paths = list(cli.outputs.glob("jobs/*/journal.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def only_the_last_trial_runs(cli: Cli) -> bool:
    """Whether the first two trials have ended and the third has logged."""
    seen = {(one["event"], one.get("trial")) for one in journal(cli)}
    return seen >= {("ended", 0), ("ended", 1), ("logged", 2)}


@contextmanager
def slow_sweep(cli: Cli, tmp_path: Path, gate: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start a command with a sweep whose last trial waits for the gate."""
    files = {
        "own/code/fit.py": SLOW.format(gate=str(gate)),
        "own/code/logger.py": LOGGER,
        "own/conf/job/own.yaml": JOB,
        "own/conf/sweep/own.yaml": SWEEP,
    }
    for name, text in files.items():
        write_file(tmp_path / name, text)
    with subprocess.Popen(
        cli.command("--config-dir", "own/conf", "stage=sweep", "job=own", "sweep=own"),
        cwd=cli.folder,
        env=cli.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    def is_met() -> bool:
        met = condition()
        assert met or process.poll() is None, process.communicate()
        return met

    eventually(is_met, PATIENCE_S)


def test_a_command_killed_while_it_draws_figures_is_resumed(cli: Cli, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    with slow_sweep(cli, tmp_path, gate) as process:
        wait_until(lambda: "finished" in {one["event"] for one in journal(cli)}, process)
        process.kill()
    assert cli.records("sweep")[0]["status"] == "Running"
    before = journal(cli)
    cli.ok("stage=sweep", "resume=last")
    record = cli.records("sweep")[-1]
    assert (record["name"], record["status"]) == (cli.records("sweep")[0]["name"], "Completed")
    assert [trial["last"] for trial in record["trials"]] == [0.5, 1.0, 4.0]
    assert record["best"]["value"] == 4.0
    assert record["metrics"] == record["best"]["metrics"] != {}
    assert record["insights"]["winner"].startswith("4 at interval 3, last 4;")
    assert all(Path(record["paths"][name]).is_file() for name in ("sweep", "parallel_coordinates"))
    # No trial ran again.
    assert journal(cli) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_or_killed_sweep_is_resumed(cli: Cli, tmp_path: Path, number: int) -> None:
    gate = tmp_path / "gate"
    with slow_sweep(cli, tmp_path, gate) as process:
        wait_until(lambda: only_the_last_trial_runs(cli), process)
        os.kill(process.pid, number)
        _, errors = process.communicate(timeout=PATIENCE_S)
    name = cli.records("sweep")[0]["name"]
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert f"resume the job with: mnist-exp stage=sweep run={name}" in errors
    gate.touch()

    if number == signal.SIGINT:
        changed = cli("stage=sweep", f"run={name}", "seed=3")
        assert changed.returncode == 1
        assert "error: seed: must stay 42, " in changed.stderr
        assert (
            f"got 3; sweep {name} was submitted with 42; remove the override seed=3"
            in changed.stderr
        )
    # Repeating all arguments changes nothing.
    begun = ["--config-dir", "own/conf", "job=own", "sweep=own"] if number == signal.SIGKILL else []
    done = cli.ok(*begun, "stage=sweep", "resume=last")
    assert "2 trials have ended" in done.stderr
    record = cli.records("sweep")[-1]
    assert (record["name"], record["status"]) == (name, "Completed")
    assert [trial["status"] for trial in record["trials"]] == ["Completed"] * 3
    assert [trial["last"] for trial in record["trials"]] == [0.5, 1.0, 4.0]
    # The first two trials have run once, the last one twice.
    started = [one["trial"] for one in journal(cli) if one["event"] == "started"]
    assert sorted(started) == [0, 1, 2, 2]
    if number == signal.SIGINT:
        again = cli("stage=sweep", f"run={name}")
        assert again.returncode == 1
        assert f"run: must name an unfinished sweep, got {name}, which has ended" in again.stderr


@pytest.mark.parametrize(
    ("argument", "fault"),
    [
        ("run=nobody", "run: no sweep nobody in "),
        ("resume=last", "run: no unfinished sweep in "),
        ("resume=first", "resume: must be last, got 'first'"),
    ],
)
def test_a_sweep_that_does_not_exist_cannot_be_resumed(
    in_process_cli: InProcessCli, argument: str, fault: str
) -> None:
    cli = in_process_cli
    done = cli("stage=sweep", argument)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {fault}")
    assert not cli.outputs.exists()


def test_sampling_algorithms_are_compared(cli: Cli, mine: Path) -> None:
    lr = "sweep.search_space.lr"
    done = cli.ok(
        *("--config-dir", str(mine), "-m", "stage=sweep", "job=mine", "sweep=mine"),
        *(f"~{lr}.values", f"{lr}.type=uniform", f"+{lr}.min_value=0.1", f"+{lr}.max_value=1"),
        "sweep.sampling_algorithm.type=random,bayesian",
    )
    first, second = cli.records("sweep")
    assert (first["status"], second["status"]) == ("Completed", "Completed")
    assert "sampling_algorithm.type=bayesian" in done.stdout
    assert first["insights"]["winner"].count("interval 3") == 1
