"""Orphan processes: descendants whose own parent has ended.

A process can leave its process group, its session and its parent, and it can clear its environment.
It cannot leave its nearest ancestor that is a subreaper: when its parent ends, that ancestor
becomes its parent.
https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html

This module imports only parts of the standard library that load fast, because every job waits for
its supervisor to start.
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
#: Seconds after which nobody waits for killed children: the kernel cannot end them.
STUCK_S = 5.0

#: Ids of the subreapers among this process and those that it was forked from.
_adopting: set[int] = set()


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _adopting.add(os.getpid())


def end_children(may_stay: Callable[[int], bool] = lambda _: False) -> None:
    """Kill all descendants, and return when they are gone; see `kill_children`."""
    deadline = time.monotonic() + STUCK_S
    while kill_children(may_stay) and time.monotonic() < deadline:
        time.sleep(LOOK_S)


def kill_children(may_stay: Callable[[int], bool]) -> bool:
    """Kill this process's present children, and return whether there were any.

    The children of a killed child become children of this process, so the next call kills them.
    Does nothing in a process that does not adopt orphans.

    Args:
        may_stay: Returns whether a child, given by its process id, is spared with its descendants.
    """
    orphans = [child for child in _children() if not may_stay(child)]
    for child in orphans:
        # The id is safe to use: the kernel gives a child's id to no other process before waitpid.
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, os.WNOHANG)
    return bool(orphans)


def reap_children(but: Collection[int]) -> None:
    """Reap adopted children that have ended.

    Args:
        but: Children that other code waits for; they are not reaped here.
    """
    for child in _children().difference(but):
        with suppress(OSError):
            os.waitpid(child, os.WNOHANG)


def _children() -> set[int]:
    if os.getpid() not in _adopting:
        return set()
    # One reading may miss a child while another child ends, so read twice:
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
