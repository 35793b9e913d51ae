"""The file of a sweep's journal, to which entries are only ever appended."""

import os
from collections.abc import Iterator
from pathlib import Path

from mnist_exp.errors import OutputsError
from mnist_exp.sweeps.journal import Entry, read_entries, to_line

JOURNAL_NAME = "journal.jsonl"


class JournalFile:
    """A journal in a sweep's folder.

    Each line is written by one system call. A process that is killed leaves whole lines, or a last
    line that is cut short and is skipped when the journal is read.

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
                f"({error.strerror}); free space, then resume the sweep"
            ) from error

    def entries(self) -> Iterator[Entry]:
        """Yield the entries written so far; nothing when there is no journal.

        Raises:
            ValueError: The journal is damaged.
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
        # The next entry must not be joined to a line that a kill has cut short.
        if size and os.pread(handle, 1, size - 1) != b"\n":
            os.write(handle, b"\n")
        return handle


def _write_whole(handle: int, line: bytes) -> None:
    """Append a line, or nothing: the next line must not be joined to half a line."""
    size = os.fstat(handle).st_size
    left = memoryview(line)
    try:
        while left:
            left = left[os.write(handle, left) :]
    except OSError:
        os.ftruncate(handle, size)
        raise
