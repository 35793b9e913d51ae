"""The code snapshot: the files of a code folder that are copied to a job, and their hash.

The rules are those of Azure's SDK. An `.amlignore` in the code folder replaces the `.gitignore` of
the code folder (`ignore_rules.py`). An `.amlignore` or `.gitignore` in any other folder is not
read. Symbolic links are followed.

Three rules are ours. A link to a parent folder is not followed: neither to a parent of the link,
nor to a parent of the code folder. Broken links and special files, e.g. named pipes, are left out.
The outputs folder may be inside the code folder, and its files are not part of the snapshot.
https://learn.microsoft.com/azure/machine-learning/how-to-train-model
"""

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mnist_exp.errors import JobError
from mnist_exp.ignore_rules import IgnoreRules
from mnist_exp.names import describe_path

#: Maximum number of parts (folders and the file name) in a path. Azure Storage allows 254 parts in
#: the name of a blob, and the SDK puts three parts in front of the path.
#: https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
_MOST_PARTS = 251
#: The errors for a file or folder that was deleted, or whose folder was replaced by a file.
_DELETED = (FileNotFoundError, NotADirectoryError)
_FOLDER = "is a folder"


def snapshot_files(source: Path, leave_out: Path | None = None) -> list[Path]:
    """Return the files of the snapshot, relative to `source` and sorted by path.

    Args:
        source: The code folder.
        leave_out: A folder whose files are not part of the snapshot, usually the outputs folder.

    Raises:
        JobError: `source` is not a folder, an ignore file has a fault, a folder is not readable, or
            the path of a file has too many parts.
    """
    found = [Path(name) for name, fault in _found(source, leave_out) if not fault]
    longest = max(found, key=lambda path: len(path.parts), default=Path())
    if len(longest.parts) > _MOST_PARTS:
        raise JobError(
            f"{source}: must contain no path with more than {_MOST_PARTS} parts, because Azure "
            f"Storage refuses longer paths, got {len(longest.parts)} parts in "
            f"{str(longest)[:40]}...; move the files"
        )
    return sorted(found)


def left_out(source: Path, leave_out: Path | None = None) -> list[tuple[Path, str]]:
    """Return the links and special files that are left out, although no ignore rule excludes them.

    Azure's SDK cannot upload a code folder with such links and files.

    Returns:
        For each link or file: the path relative to `source`, and a fault, e.g. `is a broken link`.
    """
    return [(Path(name), fault) for name, fault in _found(source, leave_out) if fault]


def is_excluded(source: Path, file: str) -> bool:
    """Return whether the ignore file of a code folder excludes a file.

    Args:
        source: The code folder.
        file: The path of the file, relative to `source`.

    Raises:
        JobError: The ignore file has a fault.
    """
    rules, path = IgnoreRules.read(source), source / file
    return rules.exclude(rules.prefix(os.path.realpath(path.parent)) + path.name)


def snapshot_hash(source: Path, leave_out: Path | None = None) -> str:
    """Return a SHA-256 hash of the names and the contents of all files of the snapshot."""
    digest = hashlib.sha256()
    for path in snapshot_files(source, leave_out):
        content = _content_hash(source / path)
        if content is not None:
            digest.update(f"{path.as_posix()}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _content_hash(path: Path) -> str | None:
    """Return a SHA-256 hash of the content of a file; None if the file was deleted meanwhile.

    Raises:
        JobError: The file is not readable.
    """
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except _DELETED:
        return None
    except OSError as error:
        raise _unreadable(str(path), error) from error


def _unreadable(path: str, error: OSError) -> JobError:
    return JobError(
        f"{path}: must be readable, because it is part of the code folder "
        f"({os.strerror(error.errno or 0)}); change its permissions, or delete it"
    )


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
        entries[path.parts[0]] += file_size(source / path)
    return SnapshotSize(len(files), entries.total(), dict(entries.most_common()))


def file_size(path: Path) -> int:
    """Return the size of a file in bytes; 0 if the file was deleted after the search."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def folder_size(folder: Path) -> tuple[int, int]:
    """Return the size of all files in a folder in bytes, and the number of these files.

    A file with several hard links counts only once.
    """
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            # Skip a file that was deleted after the folder was listed. A job that still runs may
            # delete its files.
            with suppress(FileNotFoundError):
                status = Path(where, name).lstat()
                found[status.st_dev, status.st_ino] = status.st_size
    return sum(found.values()), len(found)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Create a hard link to a file, or copy the file.

    The file system may not support hard links, or the file may have too many links.
    """
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def copy_snapshot(source: Path, target: Path, leave_out: Path | None = None) -> None:
    """Copy the files of the snapshot into `target`. Create `target` if it does not exist.

    A file that is deleted meanwhile is not part of the snapshot.

    Raises:
        JobError: `source` is not a folder, or a file is not readable.
        OSError: `target` cannot be written.
    """
    files = snapshot_files(source, leave_out)
    target.mkdir(parents=True, exist_ok=True)
    for path in files:
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy2(source / path, copy)
        except OSError:
            # The error does not say which file failed. If the source file can be read, the error
            # comes from writing the copy.
            if _content_hash(source / path) is not None:
                raise
            copy.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Folder:
    """A folder that the search for files visits.

    Attributes:
        name: The path relative to the code folder, with a slash at the end; empty for the code
            folder itself.
        real: The real path.
        parents: The real paths of the folders that the search passed through to reach this folder.
        is_excluded: Whether the ignore rules exclude every file below the folder.
    """

    name: str
    real: str
    parents: tuple[str, ...] = ()
    is_excluded: bool = False

    def excludes(self, name: str) -> bool:
        """Return whether the rules for the folder exclude an entry of the folder."""
        # The regular expressions of the rules match no line break. Check a name that contains a
        # line break separately.
        return self.is_excluded and "\n" not in name


def _found(source: Path, leave_out: Path | None) -> Iterator[tuple[str, str]]:
    """Yield each file that no rule excludes, relative to the code folder, and the file's fault.

    The fault is empty if the file is part of the snapshot. The search visits ignored folders, too:
    a link in an ignored folder may lead to files that the rules do not exclude, and Azure's SDK
    uploads these files.
    """
    if not source.is_dir():
        raise JobError(
            f"job.code: must be a folder, got {source}, which {describe_path(str(source))}"
        )
    rules = IgnoreRules.read(source)
    skipped = None if leave_out is None else os.path.realpath(leave_out)
    folders = [_Folder("", os.path.realpath(source))]
    while folders:
        folder = folders.pop()
        prefix = rules.prefix(folder.real)
        for entry in _entries(source, folder):
            name, kind = folder.name + entry.name, _kind(entry)
            if kind == _FOLDER:
                below = _subfolder(folder, entry, rules)
                if below is None:
                    yield name, "is a link to a parent folder"
                elif below.real != skipped:
                    folders.append(below)
            elif not folder.excludes(entry.name) and not rules.exclude(prefix + entry.name):
                yield name, kind


def _kind(entry: os.DirEntry[str]) -> str:
    """Return `_FOLDER` for a folder, an empty text for a file, and otherwise the entry's fault."""
    # For a link to itself, is_dir() raises OSError.
    with suppress(OSError):
        if entry.is_dir():
            return _FOLDER
        if entry.is_file():
            return ""
    return "is a broken link" if entry.is_symlink() else "is neither a file nor a folder"


def _entries(source: Path, folder: _Folder) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(source / folder.name) as entries:
            return list(entries)
    except _DELETED:
        return []
    except OSError as error:
        if folder.is_excluded:
            return []
        raise _unreadable(f"{source / folder.name}", error) from error


def _subfolder(folder: _Folder, entry: os.DirEntry[str], rules: IgnoreRules) -> _Folder | None:
    """Return the folder of an entry; None if the entry is a link to a parent folder."""
    name = f"{folder.name}{entry.name}/"
    if entry.is_symlink():
        real, parents = os.path.realpath(entry.path), (*folder.parents, folder.real)
        if any(f"{parent}/".startswith(f"{real.rstrip('/')}/") for parent in parents):
            return None
    else:
        real, parents = f"{folder.real}/{entry.name}", folder.parents
        if folder.excludes(entry.name):
            return _Folder(name, real, parents, is_excluded=True)
    return _Folder(name, real, parents, rules.exclude_all(rules.prefix(real)))
