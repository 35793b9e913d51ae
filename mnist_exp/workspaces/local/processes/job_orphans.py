"""Find and end orphan processes of jobs: processes that outlived their supervisor.

A supervisor kills all processes of its job, but a supervisor can itself be killed. A later command
then finds the job's remaining processes by an environment variable. The variable contains the path
of the job's working folder, and every process of the job inherits the variable.

This search has two limits:

- The kernel shows the environment that a program had at its start. A sweep's fork server forks
  trials without starting a new program, so the kernel shows the fork server's environment for these
  trials. The search therefore counts such a fork as a process of the sweep, not of the trial.
- The search does not find a process that was started without this variable. A running supervisor
  also finds such processes (see `mnist_exp/orphans.py`).
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

#: The environment variable that contains the path of a job's working folder. Azure ML uses the same
#: name.
MARKER = "AZUREML_CR_EXECUTION_WORKING_DIR_PATH"
#: Seconds between two searches.
_LOOK_S = 0.05
#: Seconds between SIGTERM and SIGKILL.
_GRACE_S = 12.0

#: A function that returns whether a process belongs to a job or a sweep. The function's argument is
#: the value of the environment variable `MARKER` in the process.
_Belongs = Callable[[str], bool]


def of_job(work: Path, fork_server: str | None = None) -> _Belongs:
    """Return a function that selects the processes of a job.

    Args:
        work: The working folder of the job.
        fork_server: The folder of the fork server from which the job was forked, if the command of
            the fork server was killed. All forks of this server are selected.
    """
    return {str(work), fork_server}.__contains__


def of_sweep(folder: Path) -> _Belongs:
    """Return a function that selects the processes of a sweep and of the sweep's trials.

    Args:
        folder: The sweep's folder.
    """

    def belongs(path: str) -> bool:
        if path == str(folder):
            return True
        index = path.removeprefix(f"{folder}_").removesuffix("/wd")
        return index.isdecimal() and path == f"{folder}_{index}/wd"

    return belongs


def end_orphans(belongs: _Belongs, grace_s: float = _GRACE_S) -> None:
    """Terminate the processes that `belongs` selects, and wait until all of them have ended.

    Args:
        belongs: The function that selects the processes.
        grace_s: Seconds after which a process that still runs is killed.
    """
    found = find_processes(belongs)
    deadline = time.monotonic() + grace_s
    _send(found, signal.SIGTERM)
    while found:
        if time.monotonic() > deadline:
            _send(found, signal.SIGKILL)
        time.sleep(_LOOK_S)
        found = find_processes(belongs)


def find_processes(belongs: _Belongs, variable: str = MARKER) -> list[int]:
    """Return the ids of the processes that `belongs` selects.

    The result never contains this process or processes of other users. The environment of other
    users' processes cannot be read.

    Args:
        belongs: The function that selects the processes by the value of the variable.
        variable: The name of the environment variable.
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
        # Leave out this process, because `mnist-exp` may itself run in a job.
        and process != os.getpid()
    ]


def belongs_to_job(process: int, work: Path) -> bool:
    """Return whether the environment of a process contains the working folder of a job."""
    return os.fsencode(f"{MARKER}={work}") in _environment(process)


def _environment(process: int) -> list[bytes]:
    """Return the environment variables of a process at its start, each as `NAME=value`."""
    # Reading fails if the process belongs to another user, has ended, or is a zombie.
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
