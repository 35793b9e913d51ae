"""The processes of endpoints: identified, found and killed. Linux only.

The kernel reuses a process id after its process has ended. Therefore a process is identified by its
id, its start time and the boot. Signals go through a pidfd (pidfd_open(2)), so that they cannot
reach a later process with the same id.
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

#: The module that a front process runs, and the package of the module that workers run.
SERVER_MODULE = "mnist_exp.serving"
#: Seconds that the kernel may take to end a process after SIGKILL.
_KILL_S = 10.0

#: A variable that workers have and that their child processes inherit: the model's folder.
_MARKER = "AZUREML_MODEL_DIR"
_PROC = Path("/proc")
_BOOT = _PROC / "sys/kernel/random/boot_id"
#: Indices among the fields of /proc/<pid>/stat after the name; proc(5) counts them as 3 and 22.
_STATE, _STARTED = 0, 19


@dataclass(frozen=True)
class ProcessId:
    """The identity of a process of this machine, which may have ended.

    Attributes:
        started: The start time, in clock ticks since the boot.
        boot: The id of the boot.
    """

    pid: int
    started: int
    boot: str

    @property
    def is_alive(self) -> bool:
        """Whether this process runs. A zombie does not."""
        return process_id(self.pid) == self


def process_id(pid: int) -> ProcessId | None:
    """Return the identity of the process that has this id now, None if there is no such process."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in brackets may itself contain blanks and brackets.
    fields = stat.rpartition(")")[2].split()
    if fields[_STATE] in "ZX":
        return None
    return ProcessId(pid, int(fields[_STARTED]), _BOOT.read_text(encoding="utf-8").strip())


def servers_below(folder: Path) -> list[ProcessId]:
    """Return the fronts and workers whose argument is `folder` or a folder in it.

    No saved state needs to name them.
    """
    entries = [entry for entry in _PROC.iterdir() if entry.name.isdigit()]
    found = [process_id(int(entry.name)) for entry in entries if _serves(entry, folder)]
    return [process for process in found if process is not None]


def processes_below(folder: Path) -> list[ProcessId]:
    """Return these servers, and the processes that their scoring scripts have started."""
    started = find_processes(lambda path: Path(path).is_relative_to(folder), _MARKER)
    return list({*servers_below(folder), *filter(None, map(process_id, started))})


def kill_processes_below(folder: Path) -> None:
    """Kill all these processes, also those that start in the meantime.

    Raises:
        EndpointError: A process does not end, or belongs to another user.
    """
    while found := processes_below(folder):
        end_processes(found, grace_s=0)


def _serves(entry: Path, folder: Path) -> bool:
    try:
        arguments = (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    # A front runs `mnist_exp.serving`, a worker a module of this package.
    if not any(argument.startswith(SERVER_MODULE.encode()) for argument in arguments[:4]):
        return False
    return any(Path(os.fsdecode(argument)).is_relative_to(folder) for argument in arguments[4:5])


def end_processes(processes: Iterable[ProcessId], grace_s: float) -> None:
    """Terminate the processes, kill those that still run after `grace_s`, and wait for all.

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
                f"endpoint: process {pids} must end, but still runs after SIGKILL; see `ps {pids}`"
            )


def _pidfd(process: ProcessId, stack: ExitStack) -> int | None:
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    stack.callback(os.close, handle)
    # Check the identity after opening: from then on the handle stays with this process.
    return handle if process.is_alive else None


def _signal(handles: dict[ProcessId, int], number: signal.Signals) -> None:
    for process, handle in handles.items():
        try:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
        except PermissionError as error:
            raise EndpointError(
                f"endpoint: process {process.pid} belongs to another user; end it as this user"
            ) from error


def _wait(handles: dict[ProcessId, int], seconds: float) -> dict[ProcessId, int]:
    """Wait until all processes have ended, and return those that still run after `seconds`."""
    running = dict(handles)
    deadline = time.monotonic() + seconds
    while running:
        # select() cannot take descriptors above 1023, poll() can.
        poll = select.poll()
        for handle in running.values():
            poll.register(handle, select.POLLIN)
        remaining = max(0.0, deadline - time.monotonic())
        ended = {handle for handle, _ in poll.poll(remaining * 1000)}
        running = {process: handle for process, handle in running.items() if handle not in ended}
        if not ended and time.monotonic() >= deadline:
            break
    return running
