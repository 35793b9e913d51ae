"""Processes of a job that nobody looks after any more.

A job's supervisor ends it whatever happens to us, but a supervisor can be killed too. What it
leaves is found by a variable that every process of a job inherits: where the job runs. A fork has
the variables of the process that it was forked from, until it starts another program: what a forked
trial has only forked is known as its sweep's. What has cleared its environment is not found so; as
long as supervisors live they find all (see orphans.py).
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

#: What every process of a job inherits, as Azure ML names it: the folder that the job runs in.
MARKER = "AZUREML_CR_EXECUTION_WORKING_DIR_PATH"
#: Seconds between two looks.
LOOK_S = 0.05
#: How long processes get to end in order before they are killed.
_PATIENCE_S = 12.0

#: Whether a process that carries this path is one of those that are looked for.
_Belongs = Callable[[str], bool]


def of_job(work: Path) -> _Belongs:
    """Return what tells the processes of a job by its working folder."""
    return str(work).__eq__


def of_sweep(folder: Path) -> _Belongs:
    """Return what tells the processes of a sweep and of its trials by the sweep's folder."""

    def belongs(path: str) -> bool:
        if path == str(folder):
            return True
        index = path.removeprefix(f"{folder}_").removesuffix("/wd")
        return index.isdecimal() and path == f"{folder}_{index}/wd"

    return belongs


def end_leftovers(belongs: _Belongs, patience_s: float = _PATIENCE_S) -> int:
    """Ask what is left to end, kill what stays, and return how many processes there were."""
    first = found = find_processes(belongs)
    deadline = time.monotonic() + patience_s
    _send(found, signal.SIGTERM)
    while found:
        if time.monotonic() > deadline:
            _send(found, signal.SIGKILL)
        time.sleep(LOOK_S)
        found = find_processes(belongs)
    return len(first)


def find_processes(belongs: _Belongs, variable: str = MARKER) -> list[int]:
    """Return the ids of the processes that belong by a variable; of those that we may look at."""
    mark = f"{variable}=".encode()
    return [
        process
        for process, entries in _environments()
        if any(
            belongs(os.fsdecode(entry.removeprefix(mark)))
            for entry in entries
            if entry.startswith(mark)
        )
        # We may have been started by a job ourselves.
        and process != os.getpid()
    ]


def carries(process: int, path: str) -> bool:
    """Whether a process was started with a job's working folder in its environment."""
    return os.fsencode(f"{MARKER}={path}") in _environment(process)


def _environment(process: int) -> list[bytes]:
    # Processes of others cannot be read; those that nobody has reaped have no environment.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    return []


def _environments() -> Iterator[tuple[int, list[bytes]]]:
    """Yield each process with the variables that it was started with."""
    for folder in Path("/proc").glob("[0-9]*"):
        yield int(folder.name), _environment(int(folder.name))


def _send(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
