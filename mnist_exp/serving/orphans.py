"""What a scoring script has started, wherever it has gone: it ends with the script's worker.

A process may leave its group, its session, its parent and its environment behind, but not its
nearest ancestor that is a subreaper, which becomes its parent when its own parent ends. Workers
are subreapers for what their scripts start, and the front is one for what workers leave.
https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html
"""

import asyncio
import ctypes
import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

__all__ = ["adopt_orphans", "end_children", "end_orphans"]

PR_SET_CHILD_SUBREAPER = 36
#: Seconds between two looks, and after which nobody waits any more: the system holds it.
LOOK_S = 0.01
STUCK_S = 5.0

_adopting: set[int] = set()


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent has ended."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    _adopting.add(os.getpid())


def end_children() -> None:
    """Kill all descendants, and return when they are gone."""
    deadline = time.monotonic() + STUCK_S
    while _kill_children(()) and time.monotonic() < deadline:
        time.sleep(LOOK_S)


async def end_orphans(but: Collection[int]) -> None:
    """Kill what was adopted, and return when it is gone; in a process that adopts nothing, nothing.

    Args:
        but: Children that are none: those that this process has started itself.
    """
    deadline = time.monotonic() + STUCK_S
    while os.getpid() in _adopting and _kill_children(but) and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_S)


def _kill_children(but: Collection[int]) -> bool:
    """Kill the children there are now, and return whether there were any."""
    children = {child for task in Path("/proc/self/task").iterdir() for child in _children_of(task)}
    orphans = children.difference(but)
    for child in orphans:
        # It is our own child: its number is no other's before we have waited for it.
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, os.WNOHANG)
    return bool(orphans)


def _children_of(task: Path) -> list[int]:
    try:
        return [int(word) for word in (task / "children").read_text(encoding="utf-8").split()]
    except OSError:
        # A thread that has ended, or a kernel without CONFIG_PROC_CHILDREN.
        return []
