"""Locks on files. If the process that holds a lock is killed, the kernel releases the lock."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


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


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a new file in a `with` block, and delete the file at the end.

    If another process holds the lock, the block runs without the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        has_lock = try_lock(file, fcntl.LOCK_EX)
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
