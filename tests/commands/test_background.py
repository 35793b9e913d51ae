"""Jobs in the background (`wait=false`): they continue when the command or its terminal has ended.

Commands run in this process, except the command whose terminal is closed.
"""

import os
import pty
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from mnist_exp.cli.background import run_in_background
from mnist_exp.config import Stage
from mnist_exp.errors import JobError
from mnist_exp.file_locks import locked
from mnist_exp.records import COMMAND_LOCK
from mnist_exp.results import JobResult
from mnist_exp.stages import RUNNERS
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.command_line import PATIENCE_S
from tests.support.files import write_file
from tests.support.in_process import InProcessCli
from tests.support.recorded_outputs import RecordedOutputs
from tests.support.small_jobs import LOGGER
from tests.support.waiting import eventually

#: A script that waits for the gate after its first value.
SCRIPT = """\
import os, pathlib, sys, time
from logger import log_metric

log_metric("score", float(sys.argv[1]), step=0)
print("before the gate", flush=True)
while not pathlib.Path(os.environ["GATE"]).exists():
    time.sleep(0.02)
log_metric("score", 2 * float(sys.argv[1]), step=1)
"""

JOB = """\
experiment_name: mine
code: ../../code
command: python -E -S script.py {{inputs.x}}
inputs: {x: 1}
primary_metric: score
environment_variables: {TOKEN: "a-secret-token"}
"""

SWEEP = """\
sampling_algorithm: {type: grid}
search_space: {x: {type: choice, values: [1, 2]}}
objective: {primary_metric: score, goal: maximize}
limits: {max_total_trials: 2, max_concurrent_trials: 2}
early_termination: null
"""

#: Let a program have standard input as its terminal. The end of the terminal then sends SIGHUP.
IN_TERMINAL = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def cli(stored_cli: InProcessCli) -> InProcessCli:
    """The command line, in a folder with a job and a sweep that wait for `cli.folder / "gate"`."""
    files = {
        "code/script.py": SCRIPT,
        "code/logger.py": LOGGER,
        "conf/job/own.yaml": f"{JOB.rstrip()[:-1]}, GATE: {stored_cli.folder / 'gate'}}}\n",
        "conf/sweep/own.yaml": SWEEP,
    }
    for name, text in files.items():
        write_file(stored_cli.folder / "own" / name, text)
    return stored_cli


def own(stage: str, *overrides: str) -> list[str]:
    groups = ["job=own", "sweep=own"] if stage == "sweep" else ["job=own"]
    return ["--config-dir", "own/conf", *groups, f"stage={stage}", *overrides]


def processes(name: str) -> list[psutil.Process]:
    """Return the processes that run a job in the background: one or none."""
    wanted = ["mnist_exp.cli.background_process", name]
    found = psutil.process_iter(["cmdline"])
    return [process for process in found if (process.info["cmdline"] or [])[-2:] == wanted]


def background(name: str) -> psutil.Process:
    (found,) = processes(name)
    return found


def wait_for_end(process: psutil.Process) -> None:
    assert psutil.wait_procs([process], timeout=PATIENCE_S)[1] == []


def name_in(text: str) -> str:
    found = re.search(r"(train|sweep)  Running  (\S+)", text)
    assert found, text
    return found[2]


def check_that_commands_follow(
    cli: InProcessCli, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Follow a job that waits for the gate. The last command opens the gate."""
    folders = list(cli.outputs.glob("runs/*/*"))
    assert name_in(cli.ok("stage=train", f"run={name}", "wait=false").stdout) == name
    changed = cli("stage=train", f"run={name}", "model.epochs=99")
    assert (changed.returncode, changed.stdout) == (1, "")
    assert f"error: run: another command is running {name}; wait until" in changed.stderr
    read = LocalWorkspace.job_result

    def interrupt(_: LocalWorkspace, name: str) -> None:
        raise KeyboardInterrupt

    def open_gate(workspace: LocalWorkspace, name: str) -> JobResult | None:
        (cli.folder / "gate").touch()
        return read(workspace, name)

    monkeypatch.setattr(LocalWorkspace, "job_result", interrupt)
    detached = cli("stage=train", f"run={name}")
    assert detached.returncode == 130
    assert detached.stderr.endswith(f"detached: {name} continues to run\n")
    monkeypatch.setattr(LocalWorkspace, "job_result", open_gate)
    followed = cli.ok(*own("train", f"run={name}"))
    assert re.search(rf"train  Completed in .*  {name}\n", followed.stdout)
    assert re.search(r"  metrics +score=2\n", followed.stdout)
    assert list(cli.outputs.glob("runs/*/*")) == folders


def test_a_job_continues_after_its_terminal_was_closed(
    cli: InProcessCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, side = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", IN_TERMINAL, *cli.command(*own("train", "wait=false"))],
        cwd=cli.folder,
        env=cli.environment,
        stdin=side,
        stdout=side,
        stderr=side,
        start_new_session=True,
    ) as process:
        os.close(side)
        # The job's process has started, but the command may still wait until the job runs.
        eventually(lambda: list(cli.outputs.glob("runs/*/*/mnist_exp_background.log")), PATIENCE_S)
        os.close(terminal)
        process.wait(PATIENCE_S)
    eventually(lambda: list(cli.outputs.glob("runs/*/*/run.json")), PATIENCE_S)
    (record,) = cli.records("train")
    name = record["name"]
    running = background(name)
    log = cli.outputs / "jobs" / name / "user_logs" / "std_log.txt"
    eventually(lambda: log.exists() and "before the gate" in log.read_text(), PATIENCE_S)
    status = cli.ok("stage=status", f"run={name}").stdout
    assert name_in(status) == name
    assert f"cancel      mnist-exp stage=cancel run={name}" in status
    assert cli.ok("stage=status").stdout == f"train  Running  {name}\n"
    check_that_commands_follow(cli, name, monkeypatch)
    wait_for_end(running)
    (record,) = cli.records("train")
    # The record and the output are those of a command that waited.
    assert (record["status"], record["metrics"]) == ("Completed", {"score": 2.0})
    assert Path(record["paths"]["learning_curves"]).is_file()
    assert "a-secret-token" not in (Path(record["paths"]["folder"]) / "job.json").read_text()
    (output,) = cli.outputs.glob("runs/*/*/mnist_exp_background.log")
    assert re.search(r"  metrics +score=2\n", output.read_text())
    assert not [path for path in output.parent.rglob("*") if path.is_file() and
                b"a-secret-token" in path.read_bytes()]  # fmt: skip


def test_a_sweep_is_canceled_killed_and_resumed(cli: InProcessCli) -> None:
    started = cli.ok(*own("sweep", "wait=false"))
    name = name_in(started.stdout)
    (output,) = cli.outputs.glob("runs/*/*/mnist_exp_background.log")
    assert f"its output is in {output.relative_to(cli.folder)}\n" in started.stderr
    for stage in ("status", "logs", "cancel"):
        command = f"mnist-exp --config-dir own/conf stage={stage} run={name}"
        assert f"{stage:<10}  {command}" in started.stdout
    running = background(name)
    # Other users can read the arguments. The process has no terminal, and ignores its end.
    assert not [word for word in running.cmdline() if "secret" in word]
    assert (running.terminal(), os.getsid(running.pid)) == (None, running.pid)
    os.kill(running.pid, signal.SIGHUP)
    assert cli.ok("stage=cancel", f"run={name}").stdout == f"{name} has ended\n"
    (record,) = cli.records("sweep")
    assert (record["status"], record["why"]) == ("Canceled", "canceled by the user")

    cli.ok("stage=sweep", f"run={name}", "wait=false")
    running = background(name)
    journal = cli.outputs / "jobs" / name / "journal.jsonl"
    eventually(lambda: '"resumed"' in journal.read_text(), PATIENCE_S)
    running.kill()
    wait_for_end(running)
    killed = cli.ok("stage=status", f"run={name}")
    assert f"sweep  Failed  {name}" in killed.stdout
    assert f"resume the job with: mnist-exp stage=sweep run={name}" in killed.stderr

    (cli.folder / "gate").touch()
    cli.ok("stage=sweep", f"run={name}")
    assert [record["status"] for record in cli.records("sweep")][-1] == "Completed"


def test_a_job_that_cannot_start_is_one_line(cli: InProcessCli) -> None:
    (cli.outputs / "jobs").write_text("a file at the place of a folder")
    done = cli(*own("train", "wait=false"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: outputs_dir: must be a folder that can be written, got ")
    assert done.stderr.count("\n") == 1


class Starting:
    """A workspace whose job has no MLflow run yet."""

    outlives_command = False

    def find_job(self, name: str) -> JobStatus:
        """Return the status of a job whose folder is locked."""
        return JobStatus.RUNNING

    def job_result(self, name: str) -> JobResult:
        """Return the result of a job that is only starting."""
        return JobResult(name, self.find_job(name))


def test_a_job_that_is_only_starting_may_still_fail(cli: InProcessCli) -> None:
    (cli.outputs / "jobs").write_text("a file at the place of a folder")
    opener: Any = Starting
    context = RecordedOutputs(cli.outputs).context(Stage.train, opener=opener)
    config = replace(context.config, outputs_dir=str(cli.outputs))
    with locked(context.folder / COMMAND_LOCK), pytest.raises(JobError, match="must be a folder"):
        run_in_background(RUNNERS[Stage.train](replace(context, config=config)))


class Interrupted:
    """A workspace whose user presses Ctrl-C while the command waits."""

    outlives_command = False

    def job_result(self, name: str) -> JobResult | None:
        """Raise the interrupt of the user."""
        raise KeyboardInterrupt


def test_ctrl_c_before_the_job_runs_ends_the_process(cli: InProcessCli) -> None:
    outputs = RecordedOutputs(cli.outputs)
    context = outputs.context(Stage.train, opener=Interrupted)  # type: ignore[arg-type]
    runner = RUNNERS[Stage.train](context)
    with pytest.raises(KeyboardInterrupt):
        run_in_background(runner)
    assert processes(runner.name) == []


def test_a_dry_run_starts_no_process(cli: InProcessCli) -> None:
    done = cli.ok(*own("train", "wait=false", "dry_run=true"))
    assert "type: command" in done.stdout
    assert not list(cli.outputs.glob("runs/*/*/mnist_exp_background.log"))
