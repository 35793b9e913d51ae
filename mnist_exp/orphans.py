"""What a user's code has started, wherever it has gone: found by who is whose child.

A process may leave its group, its session, its parent and its environment behind, but not its
nearest ancestor that is a subreaper, which becomes its parent when its own parent ends.
https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html

With the standard library's quick modules alone: supervisors are there in milliseconds.
"""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
#: Seconds between two looks, and after which nobody waits any more: the system holds it.
LOOK_S = 0.01
STUCK_S = 5.0

_adopting: set[int] = set()


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent has ended."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _adopting.add(os.getpid())


def end_children(may_stay: Callable[[int], bool] = lambda _: False) -> None:
    """Kill all descendants, and return when they are gone; see `kill_children`."""
    deadline = time.monotonic() + STUCK_S
    while kill_children(may_stay) and time.monotonic() < deadline:
        time.sleep(LOOK_S)


def kill_children(may_stay: Callable[[int], bool]) -> bool:
    """Kill the children there are now, and return whether there were any; theirs come next.

    Does nothing in a process that adopts nothing.

    Args:
        may_stay: Tells the children, by process id, that are left in peace with all that is theirs.
    """
    orphans = [child for child in _children() if not may_stay(child)]
    for child in orphans:
        # It is our own child: its number is no other's before we have waited for it.
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, os.WNOHANG)
    return bool(orphans)


def reap_children(but: Collection[int]) -> None:
    """Let go of adopted children that have ended; of all but those that somebody waits for."""
    for child in _children().difference(but):
        with suppress(OSError):
            os.waitpid(child, os.WNOHANG)


def _children() -> set[int]:
    if os.getpid() not in _adopting:
        return set()
    # A look may miss one while another ends, so there are two:
    # https://man7.org/linux/man-pages/man5/proc_pid_task.5.html
    return _one_look() | _one_look()


def _one_look() -> set[int]:
    return {child for task in Path("/proc/self/task").iterdir() for child in _children_of(task)}


def _children_of(task: Path) -> list[int]:
    try:
        return [int(word) for word in (task / "children").read_text(encoding="utf-8").split()]
    except OSError:
        # A thread that has ended, or a kernel without CONFIG_PROC_CHILDREN.
        return []
