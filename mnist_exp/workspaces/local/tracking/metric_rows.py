"""What jobs log, as it arrives: the rows of MLflow's store, and when to look for new ones.

MLflow's own client opens a transaction and several queries for each metric of each run. Rows are
numbered in order of arrival over all runs, so that one small query finds what is new, and the
system tells when the store's file has changed: nobody asks the database in vain.
"""

import contextlib
import ctypes
import math
import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from mnist_exp.errors import OutputsError

_QUERY = """
SELECT rowid, run_uuid, key, value, step, is_nan FROM metrics WHERE rowid > ? ORDER BY rowid
"""
#: As long as MLflow itself waits for another writer.
_BUSY_S = 20.0

#: https://man7.org/linux/man-pages/man7/inotify.7.html
_IN_MODIFY, _IN_DELETE, _IN_NONBLOCK, _IN_CLOEXEC = 0x2, 0x200, 0o4000, 0o2000000
_EVENT_HEAD = 16


def as_logged(value: float) -> float:
    """Return the value that a script logged, given what the store has of it.

    SQL has no infinity: MLflow keeps the largest number in its place.
    """
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else value


def have_steps(steps: Sequence[int]) -> bool:
    """Whether each log event has a step of its own; a 0 alone is what MLflow fills in."""
    return len(set(steps)) == len(steps) and set(steps) != {0}


class MetricRow(NamedTuple):
    """A log event."""

    row: int
    run_id: str
    name: str
    value: float
    step: int


class MetricRows:
    """Reads the log events of all runs in order of arrival.

    Args:
        store: MLflow's sqlite file; it exists.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        # Not read-only: what a writer left that was killed has to be rolled back by a reader.
        uri = f"file:{quote(str(store))}?mode=rw"
        with self._mapped():
            self._connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_S)

    def after(self, row: int) -> list[MetricRow]:
        """Return what has arrived after a row."""
        with self._mapped():
            found = self._connection.execute(_QUERY, (row,)).fetchall()
        return [
            MetricRow(number, run_id, name, math.nan if is_nan else as_logged(value), step)
            for number, run_id, name, value, step, is_nan in found
        ]

    def last(self) -> int:
        """Return the number of the last row, 0 when there is none."""
        with self._mapped():
            found = self._connection.execute("SELECT max(rowid) FROM metrics").fetchone()
        return int(found[0] or 0)

    def close(self) -> None:
        """Close the store."""
        self._connection.close()

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OutputsError(
                f"outputs_dir: the MLflow store {self._store} failed: {error}; "
                "free space or choose another folder with outputs_dir="
            ) from error


class StoreWatch:
    """Tells when a file, or one beside it that begins with its name, has changed.

    The system tells at once where it can; else the file's time is looked at.

    Args:
        store: The file.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._name = os.fsencode(store.name)
        self._seen: tuple[int, ...] = ()
        libc = ctypes.CDLL(None, use_errno=True)
        self._handle = int(libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC))
        folder = os.fsencode(store.parent)
        mask = _IN_MODIFY | _IN_DELETE
        if self._handle >= 0 and libc.inotify_add_watch(self._handle, folder, mask) < 0:
            self.close()

    @property
    def handles(self) -> Sequence[int]:
        """What becomes readable when something has changed; empty where that is not to be had."""
        return (self._handle,) if self._handle >= 0 else ()

    def has_changed(self) -> bool:
        """Whether something has changed since the last time."""
        if self._handle < 0:
            before, self._seen = self._seen, self._times()
            return before != self._seen
        changed = False
        with contextlib.suppress(BlockingIOError):
            while block := os.read(self._handle, 65536):
                changed = changed or self._concerns(block)
        return changed

    def close(self) -> None:
        """Stop watching."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _concerns(self, block: bytes) -> bool:
        while block:
            end = _EVENT_HEAD + int.from_bytes(block[12:_EVENT_HEAD], "little")
            if block[_EVENT_HEAD:end].startswith(self._name):
                return True
            block = block[end:]
        return False

    def _times(self) -> tuple[int, ...]:
        found: list[int] = []
        for suffix in ("", "-wal", "-journal"):
            with contextlib.suppress(OSError):
                state = Path(f"{self._store}{suffix}").stat()
                found += (state.st_mtime_ns, state.st_size)
        return tuple(found)
