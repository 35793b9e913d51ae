"""Who a process is, and how it ends; Linux.

A pid is reused once its process has gone. With the start time and the boot a process can be told
from any other, and with a pidfd (pidfd_open(2)) no signal can hit a successor.
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

#: By its arguments a server is found that no record names.
SERVER_MODULE = "mnist_exp.serving"
#: Seconds until the kernel has ended a process that got SIGKILL.
_KILL_S = 10.0

#: A variable that every worker has, and whatever it starts inherits: its model's folder.
_MARKER = "AZUREML_MODEL_DIR"
_PROC = Path("/proc")
_BOOT = _PROC / "sys/kernel/random/boot_id"
#: In /proc/<pid>/stat after the name: the state is first, the start time is field 22 of proc(5).
_STATE, _STARTED = 0, 19


@dataclass(frozen=True)
class ProcessId:
    """A process of this machine, running or gone.

    Attributes:
        started: Clock ticks from boot to the process's start.
        boot: Which boot.
    """

    pid: int
    started: int
    boot: str

    @property
    def is_alive(self) -> bool:
        """Whether this very process runs; one that only waits to be reaped does not."""
        return process_id(self.pid) == self


def process_id(pid: int) -> ProcessId | None:
    """Return who has this pid now, None if nobody has."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name, in brackets, may itself hold blanks and brackets.
    fields = stat.rpartition(")")[2].split()
    if fields[_STATE] in "ZX":
        return None
    return ProcessId(pid, int(fields[_STARTED]), _BOOT.read_text(encoding="utf-8").strip())


def servers_below(folder: Path) -> list[ProcessId]:
    """Return every server process whose folder is `folder` or lies in it, recorded or not."""
    entries = [entry for entry in _PROC.iterdir() if entry.name.isdigit()]
    found = [process_id(int(entry.name)) for entry in entries if _serves(entry, folder)]
    return [process for process in found if process is not None]


def left_below(folder: Path) -> list[ProcessId]:
    """Return those processes, and what scoring scripts have started that is still there."""
    started = find_processes(lambda path: Path(path).is_relative_to(folder), _MARKER)
    return list({*servers_below(folder), *filter(None, map(process_id, started))})


def end_left_below(folder: Path) -> None:
    """End all of them; one that was being started at the time as well.

    Raises:
        EndpointError: One is still there, or is not ours to end.
    """
    while left := left_below(folder):
        end_processes(left, grace_s=0)


def _serves(entry: Path, folder: Path) -> bool:
    try:
        arguments = (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    # The front, or its workers: `mnist_exp.serving` and `mnist_exp.serving.worker_process`.
    if not any(argument.startswith(SERVER_MODULE.encode()) for argument in arguments[:4]):
        return False
    return any(Path(os.fsdecode(argument)).is_relative_to(folder) for argument in arguments[4:5])


def end_processes(processes: Iterable[ProcessId], grace_s: float) -> None:
    """Ask all to end, kill those that still run after `grace_s`, and return when all are gone.

    Raises:
        EndpointError: One is still there, or is not ours to end.
    """
    with ExitStack() as stack:
        handles = {}
        for process in set(processes):
            if (handle := _pidfd(process, stack)) is not None:
                handles[process] = handle
        _signal(handles, signal.SIGTERM)
        left = _wait(handles, grace_s)
        _signal(left, signal.SIGKILL)
        if stuck := _wait(left, _KILL_S):
            pids = ", ".join(str(process.pid) for process in stuck)
            raise EndpointError(f"process {pids} does not end, not even by SIGKILL; see `ps`")


def _pidfd(process: ProcessId, stack: ExitStack) -> int | None:
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    stack.callback(os.close, handle)
    # Asked after opening: the handle stays with whom we look at here.
    return handle if process.is_alive else None


def _signal(handles: dict[ProcessId, int], number: signal.Signals) -> None:
    for process, handle in handles.items():
        try:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
        except PermissionError as error:
            raise EndpointError(
                f"process {process.pid} belongs to another user; end it as that user"
            ) from error


def _wait(handles: dict[ProcessId, int], seconds: float) -> dict[ProcessId, int]:
    """Wait until all have ended; return those that have not."""
    left = dict(handles)
    deadline = time.monotonic() + seconds
    while left:
        # poll() and not select(): handles may be large numbers.
        poll = select.poll()
        for handle in left.values():
            poll.register(handle, select.POLLIN)
        remaining = max(0.0, deadline - time.monotonic())
        ended = {handle for handle, _ in poll.poll(remaining * 1000)}
        left = {process: handle for process, handle in left.items() if handle not in ended}
        if not ended and time.monotonic() >= deadline:
            break
    return left
