"""Identify, find and kill the processes of endpoints. This module works only on Linux.

Each endpoint has one HTTP server process, the front, and worker processes, which run the scoring
script. The scoring script can start child processes.

When a process has ended, the kernel may give the process id to a new process. This module therefore
identifies a process by the process id, the start time and the id of the boot. Signals are sent
through a pidfd (see pidfd_open(2)). A pidfd always refers to the same process, so a signal cannot
reach a new process with the same process id.
"""

import os
import select
import signal
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from mnist_exp.errors import EndpointError
from mnist_exp.workspaces.local.processes.job_orphans import find_processes

#: Name of the Python package that every front and every worker runs. A front runs the package
#: itself, and a worker runs a module of the package.
SERVER_MODULE = "mnist_exp.serving"
#: Maximum seconds to wait until the kernel has ended a process after SIGKILL.
_KILL_S = 10.0

#: The environment variable with the path of the model's folder. Child processes of workers inherit
#: this variable.
_MARKER = "AZUREML_MODEL_DIR"
_PROC = Path("/proc")
_BOOT = _PROC / "sys/kernel/random/boot_id"
#: Indices of two fields in /proc/<pid>/stat, counted from the first field after the process name.
#: In proc(5), these fields have the numbers 3 and 22.
_STATE, _STARTED = 0, 19


@dataclass(frozen=True)
class ProcessId:
    """The identity of a process on this machine. The process may have ended.

    Attributes:
        pid: The process id.
        started: The start time, in clock ticks since the boot.
        boot: The id of the boot.
    """

    pid: int
    started: int
    boot: str

    @property
    def is_alive(self) -> bool:
        """Whether this process runs. A zombie does not count as running."""
        return process_id(self.pid) == self


def process_id(pid: int) -> ProcessId | None:
    """Return the identity of the process that has this id now; None if no process has this id."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the process name in brackets. The name may contain spaces and brackets, so
    # split after the last bracket.
    fields = stat.rpartition(")")[2].split()
    if fields[_STATE] in "ZX":
        return None
    return ProcessId(pid, int(fields[_STARTED]), _BOOT.read_text(encoding="utf-8").strip())


def servers_below(folder: Path) -> list[ProcessId]:
    """Return the fronts and workers of all endpoints whose files are in a folder.

    This function finds processes by their command lines, so no saved state is necessary.
    """
    entries = [entry for entry in _PROC.iterdir() if entry.name.isdigit()]
    found = [process_id(int(entry.name)) for entry in entries if _serves(entry, folder)]
    return [process for process in found if process is not None]


def processes_below(folder: Path) -> list[ProcessId]:
    """Return the processes of all endpoints whose files are in a folder.

    These processes are the fronts, the workers, and the child processes of scoring scripts.
    """
    started = find_processes(lambda path: Path(path).is_relative_to(folder), _MARKER)
    return list({*servers_below(folder), *filter(None, map(process_id, started))})


def kill_processes_below(folder: Path) -> None:
    """Kill processes until `processes_below` finds no more processes.

    Raises:
        EndpointError: A process does not end, or belongs to another user.
    """
    while found := processes_below(folder):
        end_processes(found, grace_s=0)


def serves_another(process: ProcessId, folder: Path) -> bool:
    """Return whether a front or a worker serves another folder than the given folder.

    If the process serves a folder that no longer exists, the user may have moved the folder. The
    result is then False.
    """
    served = _served(_PROC / str(process.pid))
    return served is not None and served.exists() and not served.samefile(folder)


def _serves(entry: Path, folder: Path) -> bool:
    served = _served(entry)
    return served is not None and served.is_relative_to(folder)


def _served(entry: Path) -> Path | None:
    """Return the folder that a front or a worker serves; None for other processes.

    Args:
        entry: The folder of the process in /proc.
    """
    try:
        arguments = (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    # In the command line of a front or a worker, the fourth word is the module, e.g.
    # `mnist_exp.serving.worker_process`, and the fifth word is the folder.
    if not any(argument.startswith(SERVER_MODULE.encode()) for argument in arguments[:4]):
        return None
    return Path(os.fsdecode(arguments[4])) if len(arguments) > 4 else None


def ends_within(process: ProcessId, seconds: float) -> bool:
    """Wait until a process ends, and return whether it has ended in the given time."""
    with ExitStack() as stack:
        handle = _pidfd(process, stack)
        return handle is None or not _wait({process: handle}, seconds)


def end_processes(processes: Iterable[ProcessId], grace_s: float) -> None:
    """Send SIGTERM to processes, and wait until all processes have ended.

    Args:
        processes: The processes.
        grace_s: Seconds between SIGTERM and SIGKILL. Only processes that still run get SIGKILL.

    Raises:
        EndpointError: A process does not end, or belongs to another user.
    """
    with ExitStack() as stack:
        handles = {}
        for process in set(processes):
            if (handle := _pidfd(process, stack)) is not None:
                handles[process] = handle
        _signal(handles, signal.SIGTERM)
        running = _wait(handles, grace_s)
        _signal(running, signal.SIGKILL)
        if stuck := _wait(running, _KILL_S):
            pids = ", ".join(str(process.pid) for process in stuck)
            raise EndpointError(
                f"endpoint: these processes must end, but still run after SIGKILL: {pids}; "
                f"inspect the processes with: ps {pids}"
            )


def _pidfd(process: ProcessId, stack: ExitStack) -> int | None:
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    stack.callback(os.close, handle)
    # Check the identity after the pidfd is open. If the identity is correct, the pidfd can never
    # refer to another process.
    return handle if process.is_alive else None


def _signal(handles: dict[ProcessId, int], number: signal.Signals) -> None:
    for process, handle in handles.items():
        try:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
        except PermissionError as error:
            raise EndpointError(
                f"endpoint: process {process.pid} belongs to another user; "
                "let this user end the process"
            ) from error


def _wait(handles: dict[ProcessId, int], seconds: float) -> dict[ProcessId, int]:
    """Wait until all processes have ended or the time is over.

    Return the processes that still run.
    """
    running = dict(handles)
    deadline = time.monotonic() + seconds
    while running:
        # Use poll(), because select() does not support file descriptors above 1023.
        poll = select.poll()
        for handle in running.values():
            poll.register(handle, select.POLLIN)
        remaining = max(0.0, deadline - time.monotonic())
        ended = {handle for handle, _ in poll.poll(remaining * 1000)}
        running = {process: handle for process, handle in running.items() if handle not in ended}
        if not ended and time.monotonic() >= deadline:
            break
    return running
