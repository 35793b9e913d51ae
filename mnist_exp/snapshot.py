"""The code snapshot: which files of a code folder travel to a job, and their hash.

The rules are Azure ML's: an `.amlignore` in the code folder replaces its `.gitignore`, ignore files
of other folders are not read, and symbolic links are followed. Two rules are ours: a link to one of
its parent folders is left out, and so is the outputs folder, which may be in the code folder.
https://learn.microsoft.com/azure/machine-learning/how-to-train-model
"""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

from mnist_exp.errors import JobError

_IGNORE_FILES = (".amlignore", ".gitignore")


def snapshot_files(source: Path, leave_out: Path | None = None) -> list[Path]:
    """Return the files that travel, relative to `source`, in a stable order.

    Args:
        source: The code folder.
        leave_out: A folder whose files do not travel, wherever it is: the outputs folder.

    Raises:
        JobError: `source` is not a folder.
    """
    if not source.is_dir():
        raise JobError(f"job.code: must be a folder, got {source}; name one that exists")
    skipped = frozenset() if leave_out is None else frozenset({leave_out.resolve()})
    return sorted(
        path.relative_to(source) for path in _walk(source, source, _ignore_rules(source), skipped)
    )


def snapshot_hash(source: Path, leave_out: Path | None = None) -> str:
    """Return a SHA-256 of names and contents: the same code has the same hash."""
    digest = hashlib.sha256()
    for path in snapshot_files(source, leave_out):
        content = hashlib.sha256((source / path).read_bytes()).hexdigest()
        digest.update(f"{path.as_posix()}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def copy_snapshot(source: Path, target: Path, leave_out: Path | None = None) -> None:
    """Copy the files that travel into `target`, and create `target` if it does not exist.

    Raises:
        JobError: `source` is not a folder.
    """
    files = snapshot_files(source, leave_out)
    target.mkdir(parents=True, exist_ok=True)
    for path in files:
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / path, copy)


def _ignore_rules(source: Path) -> GitIgnoreSpec:
    for name in _IGNORE_FILES:
        path = source / name
        if path.is_file():
            return GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8").splitlines())
    return GitIgnoreSpec.from_lines([])


def _walk(
    source: Path, folder: Path, ignored: GitIgnoreSpec, skipped: frozenset[Path]
) -> Iterator[Path]:
    """Yield every file below `folder` that is not ignored.

    Args:
        source: The code folder, to which the ignore rules are relative.
        folder: The folder to walk.
        ignored: The ignore rules.
        skipped: Folders, with links resolved, that are not entered. The parent folders are among
            them, so that loops end.
    """
    real = folder.resolve()
    if real in skipped:
        return
    for path in folder.iterdir():
        name = path.relative_to(source).as_posix()
        if path.is_dir():
            if not _is_ignored_whole(f"{name}/", ignored):
                yield from _walk(source, path, ignored, skipped | {real})
        elif path.is_file() and not ignored.match_file(name):
            yield path


def _is_ignored_whole(name: str, ignored: GitIgnoreSpec) -> bool:
    """Whether nothing below a folder can travel; avoids a walk through `.venv` and the like."""
    negated = any(pattern.include is False for pattern in ignored.patterns)
    return not negated and ignored.match_file(name)
