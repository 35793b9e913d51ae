"""Locks on files. If the process that holds a lock is killed, the kernel releases the lock."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

#: Number of attempts to lock a file for a whole stage or job, and the seconds between two attempts.
_ATTEMPTS, _PAUSE_S = 10, 0.01


def try_lock(file: IO[Any] | int, kind: int) -> bool:
    """Lock an open file. Return False if another process holds a lock that excludes this lock.

    Args:
        file: The file or its descriptor. The lock is held until the file is closed.
        kind: `fcntl.LOCK_EX` for an exclusive lock, `fcntl.LOCK_SH` for a shared lock.
    """
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def has_locked(file: IO[Any]) -> bool:
    """Lock an open file exclusively. Return False if another process holds an exclusive lock.

    `is_locked` of another process holds a shared lock for a moment. Therefore try repeatedly.
    """
    for _ in range(_ATTEMPTS):
        if try_lock(file, fcntl.LOCK_EX):
            return True
        time.sleep(_PAUSE_S)
    return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file in a `with` block, and delete the file at the end.

    If another process holds the lock, the block runs without the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        has_lock = has_locked(file)
        try:
            yield
        finally:
            if has_lock:
                path.unlink(missing_ok=True)


def is_locked(path: Path) -> bool:
    """Return whether a process holds an exclusive lock on a file. The file may not exist."""
    try:
        with path.open("rb") as file:
            return not try_lock(file, fcntl.LOCK_SH)
    except OSError:
        return False
