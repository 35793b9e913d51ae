"""Orphan processes of jobs: those that outlived their supervisor.

A supervisor kills all processes of its job, but a supervisor can itself be killed. The processes it
leaves are then found by an environment variable that names the job's working folder. Every process
of a job inherits this variable.

Two limits:

- A fork keeps the environment of the process that it was forked from until it starts another
  program. What a forked trial has only forked therefore belongs to the sweep, not to the trial.
- A process that has cleared its environment is not found. While a supervisor lives, it finds these
  processes too (see `mnist_exp/orphans.py`).
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

#: The variable, named as on Azure ML, that holds a job's working folder.
MARKER = "AZUREML_CR_EXECUTION_WORKING_DIR_PATH"
#: Seconds between two searches.
_LOOK_S = 0.05
#: Seconds between SIGTERM and SIGKILL.
_GRACE_S = 12.0

#: A test whether the process with this value of the variable is one of those to find.
_Belongs = Callable[[str], bool]


def of_job(work: Path) -> _Belongs:
    """Return a test for the processes of the job with this working folder."""
    return str(work).__eq__


def of_sweep(folder: Path) -> _Belongs:
    """Return a test for the processes of a sweep and of its trials, given the sweep's folder."""

    def belongs(path: str) -> bool:
        if path == str(folder):
            return True
        index = path.removeprefix(f"{folder}_").removesuffix("/wd")
        return index.isdecimal() and path == f"{folder}_{index}/wd"

    return belongs


def end_orphans(belongs: _Belongs, grace_s: float = _GRACE_S) -> None:
    """Terminate the processes that belong, kill the others after `grace_s`, wait for all."""
    found = find_processes(belongs)
    deadline = time.monotonic() + grace_s
    _send(found, signal.SIGTERM)
    while found:
        if time.monotonic() > deadline:
            _send(found, signal.SIGKILL)
        time.sleep(_LOOK_S)
        found = find_processes(belongs)


def find_processes(belongs: _Belongs, variable: str = MARKER) -> list[int]:
    """Return the ids of the processes whose value of a variable belongs.

    This process is never among them. Processes of other users are not found: they cannot be read.
    """
    mark = f"{variable}=".encode()
    return [
        process
        for process, entries in _environments()
        if any(
            belongs(os.fsdecode(entry.removeprefix(mark)))
            for entry in entries
            if entry.startswith(mark)
        )
        # A job may itself have started this process.
        and process != os.getpid()
    ]


def belongs_to_job(process: int, work: Path) -> bool:
    """Return whether a process was started with a job's working folder in its environment."""
    return os.fsencode(f"{MARKER}={work}") in _environment(process)


def _environment(process: int) -> list[bytes]:
    """Return the entries `NAME=value` that a process was started with."""
    # A process of another user cannot be read; a process that nobody has reaped has no environment.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    return []


def _environments() -> Iterator[tuple[int, list[bytes]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        yield int(folder.name), _environment(int(folder.name))


def _send(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
