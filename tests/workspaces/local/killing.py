"""A sweep whose trials save checkpoints, in a process that tests may kill."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from mnist_exp.results import JobResult
from mnist_exp.specs import OutputSpec, PathInput, SweepJob
from mnist_exp.sweeps.journal import Decided, Entry, Logged
from mnist_exp.workspaces.local.processes.job_orphans import find_processes, of_sweep
from mnist_exp.workspaces.local.sweep.journal_file import JournalFile
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.small_jobs import sweep_job
from tests.support.waiting import eventually
from tests.support.watching import Watcher

#: Logs a curve that `--lr` decides, and saves a checkpoint after each step.
SCRIPT = """\
import argparse, pathlib, time
from logger import log_metric

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--checkpoints", type=pathlib.Path)
arguments = parser.parse_args()
kept = arguments.checkpoints / "step"
done = int(kept.read_text()) if kept.exists() else 0
print("from", done, flush=True)
for step in range(done + 1, 9):
    time.sleep(0.03)
    log_metric("score", arguments.lr * step, step)
    aside = kept.with_suffix(".new")
    aside.write_text(str(step))
    aside.replace(kept)
"""


def gated(gate: Path) -> str:
    """Return this script with a wait: before the second step, it waits until a file exists."""
    wait = f"while step == 2 and not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)"
    return SCRIPT.replace("time.sleep(0.03)", wait)


COMMAND = "{python} script.py --lr {{search_space.lr}} --checkpoints {{outputs.checkpoints}}"
TRIALS = 6
#: Seconds that a test waits for a process.
PATIENCE_S = 60.0

#: Imports what a victim needs once, and forks it for each test.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__, "mnist_exp.workspaces.local.tracking.store"])


def rules(code: Path, python: str, with_bandit: bool = False) -> SweepJob:
    """Return the sweep: random, seeded, two trials at once."""
    bandit = {"type": "bandit", "slack_factor": 0.2, "evaluation_interval": 2}
    sweep: dict[str, Any] = {
        "sampling_algorithm": {"type": "random", "seed": 5},
        "early_termination": bandit if with_bandit else None,
    }
    return sweep_job(
        COMMAND.replace("{python}", python),
        {"lr": {"type": "uniform", "min_value": 0.1, "max_value": 1.0}},
        sweep=sweep,
        limits={"max_total_trials": TRIALS},
        code=code,
        inputs={"data": PathInput(code)},
        outputs={"checkpoints": OutputSpec()},
    )


def run_here(outputs: Path, job: SweepJob) -> JobResult:
    """Run or resume the sweep in this process."""
    workspace = LocalWorkspace(outputs)
    workspace.submit(job)
    return workspace.watch(job.name, Watcher())


def table(result: JobResult) -> list[tuple[Any, ...]]:
    """Return the part of each trial that a kill must not change."""
    return [
        (trial.name, trial.status, trial.parameters, trial.best, trial.last, trial.events)
        for trial in result.trials
    ]


def curves(result: JobResult) -> list[dict[str, list[tuple[float, int]]]]:
    """Return the value and the step of everything that each trial logged."""
    return [
        {name: [(point.value, point.step) for point in points] for name, points in metrics.items()}
        for metrics in (trial.metrics for trial in result.trials)
    ]


class Victim:
    """A command that runs a sweep, to be killed.

    Args:
        outputs: Its outputs folder.
        job: The sweep.
    """

    def __init__(self, outputs: Path, job: SweepJob) -> None:
        self.folder = outputs / "jobs" / job.name
        # Python kills a daemon at exit. A failed test would otherwise leave the command running.
        self._process = _FORKS.Process(target=run_here, args=(outputs, job), daemon=True)
        self._process.start()

    @property
    def _pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def entries(self) -> list[Entry]:
        """Return the journal as it is now."""
        return list(JournalFile(self.folder).entries())

    def wait_for(self, what: Callable[[list[Entry]], bool]) -> None:
        """Wait until the journal meets a condition, or the command has ended."""
        eventually(
            lambda: what(self.entries()) or not self._process.is_alive(), PATIENCE_S, every_s=0.001
        )

    def stop(self) -> None:
        """Stop the command; its trials continue."""
        os.kill(self._pid, signal.SIGSTOP)
        # The threads of a process stop one after the other.
        stopped = psutil.STATUS_STOPPED
        eventually(lambda: psutil.Process(self._pid).status() == stopped, PATIENCE_S)

    def end(self) -> int | None:
        """Wait until the command has ended, and return its exit code."""
        self._process.join(PATIENCE_S)
        return self._process.exitcode

    def kill(self) -> None:
        """Kill the command with SIGKILL."""
        self._process.kill()
        self._process.join()

    def kill_at_random(self, seed: int, latest: int = 60) -> None:
        """Kill the command after a number of entries that the seed decides."""
        moment = random.Random(seed)
        entries, further = moment.randrange(1, latest), moment.uniform(0, 0.03)
        self.wait_for(lambda found: len(found) >= entries)
        time.sleep(further)
        self.kill()

    def kill_fork_server(self) -> None:
        """Kill only the process that forks the trials."""
        # A thread of the command starts the fork server. /proc lists the children of each thread.
        children = {child.pid for child in psutil.Process(self._pid).children()}
        (server,) = children & set(find_processes(str(self.folder).__eq__))
        os.kill(server, signal.SIGKILL)

    def kill_with_its_helpers(self) -> None:
        """Kill the command and, right after it, the process that forks its trials."""
        helpers = find_processes(str(self.folder).__eq__)
        for pid in (self._pid, *helpers):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.join()

    def left_behind(self) -> list[int]:
        """Return the processes that still run after all have had time to end."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := find_processes(of_sweep(self.folder))) and time.monotonic() < deadline:
            time.sleep(0.01)
        return found


def wait_for_text(files: Sequence[Path], text: str) -> None:
    """Wait until each of the files holds a text."""
    eventually(
        lambda: all(file.exists() and file.read_text() == text for file in files), PATIENCE_S
    )


def decided(entries: list[Entry]) -> list[tuple[int, int | None, str]]:
    """Return the early terminations that a journal has."""
    return [
        (entry.trial, entry.interval, entry.reason)
        for entry in entries
        if isinstance(entry, Decided) and entry.interval is not None
    ]


def histories(entries: list[Entry], trial: int) -> list[float]:
    """Return the values that a trial logged."""
    points = [entry.point for entry in entries if isinstance(entry, Logged)]
    return [point.value for point in points if point.trial == trial]
