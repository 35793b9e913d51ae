"""Checks of the size of code folders."""

from collections.abc import Iterator
from pathlib import Path

from mnist_exp.snapshot import snapshot_size

#: Azure's SDK warns about an upload above this number of bytes.
_LARGE = 100_000_000
_MEGABYTE = 1_000_000
#: Maximum number of entries that the warning names.
_SHOWN = 3


def code_warnings(where: str, code: str | None, outputs_dir: str) -> Iterator[str]:
    """Yield one line if a code folder is large, with the largest entries of the folder.

    Args:
        where: The config key of the code folder.
        code: The code folder; None if the job has no code.
        outputs_dir: The outputs folder, whose files are not part of the code.
    """
    if code is None or not Path(code).is_dir():
        return
    found = snapshot_size(Path(code), Path(outputs_dir))
    if found.size <= _LARGE:
        return
    entries = [
        f"{name} ({size / _MEGABYTE:.0f} MB)" for name, size in list(found.entries.items())[:_SHOWN]
    ]
    yield (
        f"{where}: {found.files} files with {found.size / _MEGABYTE:.0f} MB are copied from "
        f"{code}; the largest entries are {', '.join(entries)}; to leave out an entry, write its "
        f"name in {Path(code, '.amlignore')}"
    )
