"""The code snapshot: the files of a code folder that are copied to a job, and their hash.

Three rules are Azure ML's. An `.amlignore` in the code folder replaces the `.gitignore` of the code
folder. An `.amlignore` or `.gitignore` in any other folder is not read. Symbolic links are
followed.

Two rules are ours. A link to a parent folder of the link is not followed. The files of the outputs
folder, which may be inside the code folder, are not part of the snapshot.
https://learn.microsoft.com/azure/machine-learning/how-to-train-model
"""

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from mnist_exp.errors import JobError
from mnist_exp.names import what_is_at

_IGNORE_FILES = (".amlignore", ".gitignore")


def snapshot_files(source: Path, leave_out: Path | None = None) -> list[Path]:
    """Return the files of the snapshot, relative to `source` and sorted by path.

    Args:
        source: The code folder.
        leave_out: A folder whose files are not part of the snapshot, usually the outputs folder.

    Raises:
        JobError: `source` is not a folder.
    """
    if not source.is_dir():
        raise JobError(f"job.code: must be a folder, got {source}, which {what_is_at(str(source))}")
    skipped = frozenset() if leave_out is None else frozenset({leave_out.resolve()})
    return sorted(
        path.relative_to(source)
        for path in _files_below(source, source, _ignore_rules(source), skipped)
    )


def snapshot_hash(source: Path, leave_out: Path | None = None) -> str:
    """Return a SHA-256 hash of the names and the contents of all files of the snapshot."""
    digest = hashlib.sha256()
    for path in snapshot_files(source, leave_out):
        content = hashlib.sha256((source / path).read_bytes()).hexdigest()
        digest.update(f"{path.as_posix()}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


@dataclass(frozen=True)
class SnapshotSize:
    """The size of a snapshot.

    Attributes:
        files: The number of files.
        size: The size of all files in bytes.
        entries: Name of each entry of the code folder -> size in bytes, the largest entry first.
    """

    files: int
    size: int
    entries: Mapping[str, int]


def snapshot_size(source: Path, leave_out: Path | None = None) -> SnapshotSize:
    """Return the size of a snapshot.

    Raises:
        JobError: `source` is not a folder.
    """
    entries: Counter[str] = Counter()
    files = snapshot_files(source, leave_out)
    for path in files:
        # A file may have been deleted since the search.
        with suppress(OSError):
            entries[path.parts[0]] += (source / path).stat().st_size
    return SnapshotSize(len(files), entries.total(), dict(entries.most_common()))


def copy_snapshot(source: Path, target: Path, leave_out: Path | None = None) -> None:
    """Copy the files of the snapshot into `target`. Create `target` if it does not exist.

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
            # File names need not be UTF-8, so the names in this file need not be UTF-8 either.
            text = path.read_text(encoding="utf-8", errors="surrogateescape")
            return GitIgnoreSpec.from_lines(text.splitlines())
    return GitIgnoreSpec.from_lines([])


def _files_below(
    source: Path, folder: Path, ignored: GitIgnoreSpec, skipped: frozenset[Path]
) -> Iterator[Path]:
    """Yield every file below `folder` that is not ignored.

    Args:
        source: The code folder, to which the ignore rules are relative.
        folder: The folder to search.
        ignored: The ignore rules.
        skipped: The real paths of folders that are not searched. The search adds the parents of
            `folder` to these paths. A symbolic link to a parent is then skipped, so that a loop of
            links ends.
    """
    real = folder.resolve()
    if real in skipped:
        return
    for path in folder.iterdir():
        name = path.relative_to(source).as_posix()
        if path.is_dir():
            if not _is_ignored_whole(f"{name}/", ignored):
                yield from _files_below(source, path, ignored, skipped | {real})
        elif path.is_file() and not ignored.match_file(name):
            yield path


def _is_ignored_whole(name: str, ignored: GitIgnoreSpec) -> bool:
    """Return whether all files below a folder are ignored, so that the search can skip the folder.

    Skipping a large folder such as `.venv` saves much time.
    """
    negated = any(pattern.include is False for pattern in ignored.patterns)
    return not negated and ignored.match_file(name)
