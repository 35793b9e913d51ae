"""How trials are started, also when the process that they are forked from is killed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.workspaces.local.environments.interpreter import this_interpreter
from mnist_exp.workspaces.local.environments.throwaway import create_throwaway, throwaway_folder
from mnist_exp.workspaces.local.jobs.launching import JobLauncher
from mnist_exp.workspaces.local.processes.job_orphans import MARKER, find_processes, of_sweep
from mnist_exp.workspaces.local.processes.workers import Processes
from tests.support.small_jobs import FORKED_APART
from tests.workspaces.local.pipes import Pipe

PATIENCE_S = 60.0


class TrialStarter:
    """Starts trials with a launcher."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "sweep"
        self.messages: list[str] = []
        self.launcher = JobLauncher(self.folder, self.messages.append, this_interpreter())
        self.folder.mkdir()

    def start(self, trial: int, text: str) -> Processes:
        """Start a trial."""
        work = Path(f"{self.folder}_{trial}", "wd")
        work.mkdir(parents=True)
        (work / "script.py").write_text(text, encoding="utf-8")
        software = create_throwaway(this_interpreter(), throwaway_folder(work))
        environment = {**software, MARKER: str(work)}
        return self.launcher("python script.py", work, [environment], [work.parent / "log.txt"])

    def kill_server(self) -> None:
        """Kill the process that jobs are forked from, and wait for that."""
        server = min(find_processes(str(self.folder).__eq__))
        os.kill(server, signal.SIGKILL)
        os.waitid(os.P_PID, server, os.WEXITED | os.WNOWAIT)


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[TrialStarter]:
    starter = TrialStarter(tmp_path)
    yield starter
    starter.launcher.close()


def test_without_the_server_trials_are_plain_processes(
    starter: TrialStarter,
) -> None:
    assert starter.start(0, "").wait(PATIENCE_S) == 0
    starter.kill_server()
    for trial in (1, 2):
        processes = starter.start(trial, "raise SystemExit(3)")
        assert (processes.wait(PATIENCE_S), processes.lost_reason) == (3, "")
        processes.close()
    log = starter.folder / "user_logs" / "fork_server.txt"
    assert starter.messages == [
        "the process that jobs are forked from was killed by signal 9; "
        "the other jobs will start more slowly, because each job will import its libraries; "
        f"the fork server's log is {log}"
    ]


def test_a_launcher_that_closes_leaves_nothing_though_the_server_was_killed(
    starter: TrialStarter, tmp_path: Path
) -> None:
    pipe = Pipe(tmp_path / "pipe")
    say = f"with open({str(pipe)!r}, 'w') as out: print('here', file=out)\n"
    starter.start(0, FORKED_APART + say + "while True: time.sleep(0.01)\n")
    assert pipe.line() == "here"
    starter.kill_server()
    assert find_processes(of_sweep(starter.folder))
    starter.launcher.close()
    pipe.close()
    assert find_processes(of_sweep(starter.folder)) == []
