"""The file of a sweep's journal. Entries are appended to the file and never changed."""

import os
from collections.abc import Iterator
from pathlib import Path

from mnist_exp.errors import OutputsError
from mnist_exp.sweeps.journal import JOURNAL_NAME, Entry, read_entries, to_line


class JournalFile:
    """A journal in a sweep's folder.

    If the process is killed, the last line may be incomplete. Functions that read the journal skip
    an incomplete line.

    Args:
        folder: The sweep's folder, which must exist.
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
                f"({error.strerror}); make space on the disk, then resume the sweep"
            ) from error

    def entries(self) -> Iterator[Entry]:
        """Yield the entries in the file. If the file does not exist, yield no entry.

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
        # Add a line break after an incomplete line of a killed command. Otherwise the next entry
        # would be written on the same line.
        if size and os.pread(handle, 1, size - 1) != b"\n":
            os.write(handle, b"\n")
        return handle


def _write_whole(handle: int, line: bytes) -> None:
    """Append a whole line.

    If an error occurs, delete the part that was written, because the next entry must begin on a
    new line.
    """
    size = os.fstat(handle).st_size
    left = memoryview(line)
    try:
        while left:
            left = left[os.write(handle, left) :]
    except OSError:
        os.ftruncate(handle, size)
        raise
