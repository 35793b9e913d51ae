"""The code snapshot: which files of a code folder travel to a job, and their hash.

As Azure ML does it: an `.amlignore` at the root of the folder replaces its `.gitignore`; ignore
files of parent folders are not read; symbolic links are followed.
https://learn.microsoft.com/azure/machine-learning/how-to-train-model
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

from mnist_exp.errors import JobError

__all__ = ["copy_snapshot", "snapshot_files", "snapshot_hash"]

IGNORE_FILES = (".amlignore", ".gitignore")


def snapshot_files(source: Path) -> list[Path]:
    """Return the files that travel, relative to `source`, in a stable order.

    Raises:
        JobError: `source` is no folder.
    """
    if not source.is_dir():
        raise JobError(f"job.code: must be a folder, got {source}; name one that exists")
    ignored = _ignore_rules(source)
    return sorted(path for path in _walk(source) if not ignored.match_file(path.as_posix()))


def snapshot_hash(source: Path) -> str:
    """Return a SHA-256 over names and contents: the same code, the same hash."""
    digest = hashlib.sha256()
    for path in snapshot_files(source):
        content = hashlib.sha256((source / path).read_bytes()).hexdigest()
        digest.update(f"{path.as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def copy_snapshot(source: Path, target: Path) -> None:
    """Copy the files that travel into `target`, which is made if need be.

    Raises:
        JobError: `source` is no folder.
    """
    files = snapshot_files(source)
    target.mkdir(parents=True, exist_ok=True)
    for path in files:
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / path, copy)


def _ignore_rules(source: Path) -> GitIgnoreSpec:
    for name in IGNORE_FILES:
        path = source / name
        if path.is_file():
            return GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8").splitlines())
    return GitIgnoreSpec.from_lines([])


def _walk(source: Path) -> Iterator[Path]:
    """Yield every file below `source`, following links but no link twice into the same folder."""
    seen = set()
    for folder, subfolders, files in os.walk(source, followlinks=True):
        real = Path(folder).resolve()
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        for name in files:
            path = Path(folder, name)
            if path.is_file():
                yield path.relative_to(source)
