"""The file that a sweep's journal is kept in: a line an entry, only ever appended to."""

import os
from collections.abc import Iterator
from pathlib import Path

from mnist_exp.errors import OutputsError
from mnist_exp.sweeps.journal import Entry, read_entries, to_line

JOURNAL_NAME = "journal.jsonl"


class JournalFile:
    """A journal below a sweep's folder.

    A line goes to the system in one call, so a process that is killed leaves whole lines, or a
    last one that is cut short and passed over when the journal is read.

    Args:
        folder: The sweep's folder; it exists.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_NAME
        self._handle: int | None = None

    def append(self, entry: Entry) -> None:
        """Write an entry.

        Raises:
            OutputsError: The disk is full, or the file cannot be written.
        """
        try:
            if self._handle is None:
                self._handle = self._open()
            _write_whole(self._handle, to_line(entry).encode())
        except OSError as error:
            raise OutputsError(
                f"outputs_dir: the sweep's journal {self.path} cannot be written "
                f"({error.strerror}); free space, then go on with the sweep"
            ) from error

    def entries(self) -> Iterator[Entry]:
        """Yield what has been written; nothing when there is no journal.

        Raises:
            ValueError: It is damaged.
        """
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return
        yield from read_entries(text)

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int:
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        size = os.fstat(handle).st_size
        # A line that a kill has cut short must not swallow the next one.
        if size and os.pread(handle, 1, size - 1) != b"\n":
            os.write(handle, b"\n")
        return handle


def _write_whole(handle: int, line: bytes) -> None:
    """Append a line, or nothing of it: what comes next must not be joined to a half one."""
    size = os.fstat(handle).st_size
    left = memoryview(line)
    try:
        while left:
            left = left[os.write(handle, left) :]
    except OSError:
        os.ftruncate(handle, size)
        raise
