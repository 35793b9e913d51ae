"""The end of a log."""

import os
from pathlib import Path

#: Bytes that are read of a long log.
WINDOW = 256 * 1024


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of a file, however long it is; none if it is not there."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - WINDOW))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return lines[-count:] if count > 0 else []
