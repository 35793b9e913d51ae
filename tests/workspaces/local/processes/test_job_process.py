import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mnist_exp.workspaces.local.processes.job_orphans import MARKER
from mnist_exp.workspaces.local.processes.job_process import JobProcess
from tests.workspaces.local.pipes import Pipe

ENVIRONMENT = {"PATH": os.environ["PATH"]}

#: A grace period that no test waits for: only a kill ends the process in time.
LONG_GRACE_S = 200.0
#: A command that never ends, and holds every pipe that it inherits open.
FOREVER = "tail -f /dev/null"
#: Starts this command in a session of its own, without the job's environment, and waits until it
#: runs.
APART = f"mkfifo apart; env -i setsid bash -c 'echo > apart; exec {FOREVER}' & read < apart"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "user_logs" / "std_log.txt"


@pytest.fixture
def start(tmp_path: Path, log: Path) -> Iterator[Callable[..., JobProcess]]:
    started = []

    def start_one(command: str, grace_s: float = LONG_GRACE_S, **variables: str) -> JobProcess:
        process = JobProcess(command, tmp_path, {**ENVIRONMENT, **variables}, log, grace_s)
        started.append(process)
        return process

    yield start_one
    for process in started:
        if process.poll() is None:
            # Kill the job: close() would wait for its long grace period.
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            for child in children.split():
                # An adopted process leads no group.
                with suppress(ProcessLookupError):
                    os.killpg(int(child), signal.SIGKILL)
        process.close()


@pytest.mark.parametrize("code", [0, 1, 3, 127, 255])
def test_exit_code_is_the_commands(start: Callable[..., JobProcess], code: int) -> None:
    process = start(f"exit {code}")
    assert process.wait() == code
    assert process.poll() == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_signal_is_128_and_its_number(start: Callable[..., JobProcess], number: int) -> None:
    assert start(f"kill -{int(number)} $$").wait() == 128 + number


def test_poll_is_none_while_it_runs(start: Callable[..., JobProcess], pipe: Pipe) -> None:
    process = start(f"echo here > {pipe}; {FOREVER}")
    assert pipe.line() == "here"
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0)


def test_both_outputs_are_in_the_log_in_order(start: Callable[..., JobProcess], log: Path) -> None:
    start("echo one; echo two >&2; echo drei ü").wait()
    assert log.read_text(encoding="utf-8") == "one\ntwo\ndrei ü\n"


def test_an_existing_log_is_continued(start: Callable[..., JobProcess], log: Path) -> None:
    start("echo one").wait()
    start("echo two").wait()
    assert log.read_text(encoding="utf-8") == "one\ntwo\n"


def test_standard_input_is_empty(start: Callable[..., JobProcess]) -> None:
    assert start("read line").wait() == 1


def test_a_command_has_only_the_given_environment(
    start: Callable[..., JobProcess], log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SHELL", "hush")
    start("env -0 | tr '\\0' '\\n'", MINE="a b").wait()
    lines = log.read_text(encoding="utf-8").splitlines()
    # bash adds the first three. Python sets LC_CTYPE if no locale is set (PEP 538).
    names = {line.partition("=")[0] for line in lines} - {"PWD", "SHLVL", "_", "LC_CTYPE"}
    # The hook that records failures hides its variables from Python scripts.
    assert names - {"PYTHONPATH", "MNIST_EXP_FAILURE_FILE"} == {"PATH", "MINE"}
    assert "MINE=a b" in lines


def test_python_variables_do_not_reach_the_supervisor(start: Callable[..., JobProcess]) -> None:
    # With these variables, the supervisor itself could not start.
    assert start("exit 4", PYTHONHOME="/nowhere", PYTHONPATH="/nowhere").wait() == 4


def test_modules_in_the_jobs_folder_do_not_reach_the_supervisor(
    start: Callable[..., JobProcess], tmp_path: Path
) -> None:
    (tmp_path / "selectors.py").write_text("raise SystemExit(99)", encoding="utf-8")
    assert start("exit 4").wait() == 4


def test_a_terminated_command_can_save(
    start: Callable[..., JobProcess], pipe: Pipe, log: Path
) -> None:
    process = start(f"trap 'echo saved; exit 5' TERM; echo here > {pipe}; {FOREVER} & wait")
    pipe.line()
    process.terminate()
    assert process.wait() == 5
    assert log.read_text(encoding="utf-8") == "saved\n"


def test_terminate_does_not_wait_and_can_be_repeated(
    start: Callable[..., JobProcess], pipe: Pipe
) -> None:
    process = start(f"trap '' TERM; echo here > {pipe}; {FOREVER}")
    pipe.line()
    process.terminate()
    process.terminate()
    assert process.poll() is None


def test_a_job_that_ignores_sigterm_is_killed_after_the_grace_period(
    start: Callable[..., JobProcess], pipe: Pipe
) -> None:
    process = start(f"trap '' TERM; exec 9> {pipe}; echo here >&9; {FOREVER}", grace_s=0.1)
    pipe.line()
    process.terminate()
    assert process.wait() == 128 + signal.SIGKILL
    assert pipe.wait_for_end() == ""


def test_each_process_of_the_job_has_the_grace_period(
    start: Callable[..., JobProcess], pipe: Pipe, tmp_path: Path
) -> None:
    # The shell ends at once, while its child takes a moment to save its state.
    (tmp_path / "child.sh").write_text(
        f"trap 'sleep 0.1; echo checkpoint > saved; exit 0' TERM\n"
        f"echo here > {pipe}\n"
        f"{FOREVER} & wait\n",
        encoding="utf-8",
    )
    process = start("bash child.sh; echo never")
    assert pipe.line() == "here"
    process.close()
    assert (tmp_path / "saved").read_text(encoding="utf-8") == "checkpoint\n"
    assert process.poll() == 128 + signal.SIGTERM


def test_grandchildren_are_ended_with_the_job(start: Callable[..., JobProcess], pipe: Pipe) -> None:
    process = start(
        f"exec 9> {pipe}; (trap '' TERM; {FOREVER}) & bash -c '{FOREVER} & echo here >&9; wait'",
        grace_s=0.1,
    )
    assert pipe.line() == "here"
    process.close()
    assert pipe.wait_for_end() == ""


def test_processes_of_a_finished_command_are_killed(
    start: Callable[..., JobProcess], pipe: Pipe
) -> None:
    process = start(f"exec 9> {pipe}; (trap '' TERM; {FOREVER}) & exit 6")
    assert process.wait() == 6
    assert pipe.wait_for_end() == ""


def test_what_a_finished_command_left_in_another_session_is_ended(
    start: Callable[..., JobProcess], pipe: Pipe
) -> None:
    # Another worker of the same job continues.
    other = start(f"exec {FOREVER}")
    assert start(f"exec 9> {pipe}; {APART}; exit 6").wait() == 6
    assert pipe.wait_for_end() == ""
    assert other.poll() is None


def test_orphans_of_a_terminated_command_are_killed(
    start: Callable[..., JobProcess], pipe: Pipe
) -> None:
    process = start(f"exec 9> {pipe}; {APART}; echo here >&9; {FOREVER}", grace_s=0.1)
    assert pipe.line() == "here"
    process.close()
    assert pipe.wait_for_end() == ""


def test_orphans_that_end_while_the_job_runs_are_reaped(
    start: Callable[..., JobProcess], pipe: Pipe
) -> None:
    # The inner shells end at once, so the supervisor becomes the parent of their children.
    process = start(f"exec 9> {pipe}; (true & echo $! >&9); (true & echo >&9); {FOREVER}")
    orphan = int(pipe.line())
    pipe.line()
    while Path(f"/proc/{orphan}").exists():
        assert process.poll() is None


def test_a_killed_supervisor_is_told_from_a_killed_command(
    start: Callable[..., JobProcess],
) -> None:
    process = start("kill -9 $$")
    assert (process.wait(), process.is_lost) == (137, False)
    process = start("kill -9 $PPID; exec " + FOREVER)
    assert (process.wait(), process.is_lost) == (137, True)


def test_close_ends_the_command_and_can_be_repeated(
    start: Callable[..., JobProcess], pipe: Pipe
) -> None:
    process = start(f"exec 9> {pipe}; echo here >&9; {FOREVER}")
    pipe.line()
    process.close()
    process.close()
    process.terminate()
    assert process.poll() == 128 + signal.SIGTERM
    assert pipe.wait_for_end() == ""


def test_a_killed_parent_takes_its_job_along(tmp_path: Path, pipe: Pipe) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import pathlib, sys, os\n"
            "from mnist_exp.workspaces.local.processes.job_process import JobProcess\n"
            f"environment = {{**os.environ, {MARKER!r}: {str(tmp_path)!r}}}\n"
            f"job = JobProcess(sys.argv[1], pathlib.Path({str(tmp_path)!r}), environment, "
            f"pathlib.Path({str(tmp_path / 'log')!r}), 0.1)\n"
            "job.wait()",
            f"exec 9> {pipe}; (trap '' TERM; {FOREVER}) & {APART}; echo here >&9; {FOREVER}",
        ]
    )
    try:
        assert pipe.line() == "here"
    finally:
        parent.kill()
        parent.wait()
    assert pipe.wait_for_end() == ""


def test_an_interrupt_at_the_terminal_does_not_reach_the_job(
    start: Callable[..., JobProcess], pipe: Pipe
) -> None:
    process = start(f"echo $$ > {pipe}; {FOREVER}")
    job = int(pipe.line())
    assert len({os.getsid(0), os.getsid(process.pid), os.getsid(job)}) == 3
