"""Orphan processes: descendants of this process whose parent has ended.

A process can leave its process group, its session and its parent, and can clear its environment.
But a process cannot leave its nearest ancestor that is a subreaper. When the parent of a process
ends, the kernel makes this subreaper the new parent of the process. A subreaper therefore finds all
orphan processes among its own children.
https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html

The supervisor of each job imports this module, and the job waits for the supervisor. Therefore this
module imports only parts of the standard library that load fast.
"""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
#: Seconds between two searches for children.
LOOK_S = 0.01
#: Maximum seconds to wait for killed children. If a killed child still exists after this time, the
#: kernel cannot end the child.
STUCK_S = 5.0

#: Ids of the processes that called `adopt_orphans`. A forked process inherits this set, but is not
#: a subreaper. The forked process becomes a subreaper when it calls `adopt_orphans`, which adds the
#: id of the forked process.
_adopting: set[int] = set()


def adopt_orphans() -> None:
    """Make this process a subreaper: the new parent of each descendant whose parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _adopting.add(os.getpid())


def end_children(may_stay: Callable[[int], bool] = lambda _: False) -> None:
    """Kill all descendants, and wait at most `STUCK_S` until they have ended.

    Args:
        may_stay: As for `kill_children`.
    """
    deadline = time.monotonic() + STUCK_S
    while kill_children(may_stay) and time.monotonic() < deadline:
        time.sleep(LOOK_S)


def kill_children(may_stay: Callable[[int], bool]) -> bool:
    """Kill the current children of this process, and return whether there were children to kill.

    The children of a killed child become children of this process, so the next call kills them.
    If this process has not called `adopt_orphans`, the function kills nothing and returns False.

    Args:
        may_stay: Function that takes the process id of a child. If the function returns True, the
            child and its descendants are not killed.
    """
    orphans = [child for child in _children() if not may_stay(child)]
    for child in orphans:
        # The id cannot belong to another process: the kernel does not reuse the id of an ended
        # child before waitpid.
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, os.WNOHANG)
    return bool(orphans)


def reap_children(but: Collection[int]) -> None:
    """Reap children that have ended, so that no zombie processes remain.

    Args:
        but: Process ids of children that this function must not reap, because other code waits for
            these children.
    """
    for child in _children().difference(but):
        with suppress(OSError):
            os.waitpid(child, os.WNOHANG)


def _children() -> set[int]:
    if os.getpid() not in _adopting:
        return set()
    # Read the list twice. A single reading may miss a child if another child ends meanwhile:
    # https://man7.org/linux/man-pages/man5/proc_pid_task.5.html
    return _listed_children() | _listed_children()


def _listed_children() -> set[int]:
    tasks = Path("/proc/self/task").iterdir()
    return {child for task in tasks for child in _children_of(task)}


def _children_of(task: Path) -> list[int]:
    try:
        return [int(word) for word in (task / "children").read_text(encoding="utf-8").split()]
    except OSError:
        # The thread has ended, or the kernel was built without CONFIG_PROC_CHILDREN.
        return []
