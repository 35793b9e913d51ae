"""A job's inputs and named outputs on this machine.

The mode of an input decides what the job gets:

- `ro_mount` and `download`: a copy of the input. As on Azure ML, the copy is deleted after the job.
- `direct`: the original path.

The copy of a `ro_mount` is write-protected. A script that runs as root can still write to the copy.
If a script writes to the copy, the result of the job has a warning.
https://learn.microsoft.com/azure/machine-learning/how-to-read-write-data-v2

For all trials of a sweep, each input is validated only once. The files of a `ro_mount` are copied
only once, and each trial gets hard links to the copy.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mnist_exp.config import DataConfig
from mnist_exp.datasets import materialize
from mnist_exp.errors import JobError
from mnist_exp.snapshot import link_or_copy
from mnist_exp.specs import Literal, OutputSpec, PathInput
from mnist_exp.templates import literal_text

#: The files of a write-protected folder: relative path -> (inode, size, time of last change).
_Manifest = dict[str, tuple[int, int, int]]
_Message = Callable[[str], None]


def local_path(name: str, source: Path | str | DataConfig, message: _Message) -> Path:
    """Check that the folder or file of a path input exists, and return its path.

    Raises:
        DataError: The digits are missing or damaged, or cannot be downloaded.
        JobError: The path is not a local path, or does not exist.
    """
    if isinstance(source, DataConfig):
        return materialize(source, message)
    path = Path(str(source).removeprefix("file://"))
    if not isinstance(source, Path) and not str(source).startswith("file://"):
        raise JobError(
            f"job.inputs.{name}.path: must be a local path in the local workspace, got {source}; "
            "download the data and give the path of the local folder"
        )
    if not path.exists():
        raise JobError(f"job.inputs.{name}.path: must exist, got {path}")
    return path


class SharedInputs:
    """The inputs that all trials of a sweep share.

    Args:
        folder: The folder for a write-protected copy of each `ro_mount`. `close` deletes the
            folder. If a killed command did not delete the folder, the constructor deletes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sources: dict[str, Path] = {}
        self._copies: dict[str, _SharedCopy] = {}
        self.close()

    def source(self, name: str, value: PathInput, message: _Message) -> Path:
        """Return the local path of an input. Only the first call validates the input."""
        if name not in self._sources:
            self._sources[name] = local_path(name, value.path, message)
        return self._sources[name]

    def link(self, name: str, source: Path, target: Path) -> "_SharedCopy":
        """Create `target`, a write-protected folder with hard links to the shared files."""
        shared = self._copies.get(name)
        # If an earlier trial has changed the files, copy the original data again.
        if shared is None or not shared.is_intact:
            _delete_tree(self._folder / name)
            shared = self._copies[name] = _SharedCopy(self._folder / name, source)
        shared.link_to(target)
        return shared

    def close(self) -> None:
        """Delete the copies."""
        self._copies.clear()
        _delete_tree(self._folder)


class _SharedCopy:
    """A write-protected copy of an input. Several trials may have links to its files."""

    def __init__(self, folder: Path, source: Path) -> None:
        self._folder = folder
        self._users = 0
        self._is_doubtful = False
        _copy(source, folder)
        _protect(folder)
        self._manifest = _manifest(folder)

    @property
    def is_intact(self) -> bool:
        """Whether no file has changed since the copy was created."""
        return _manifest(self._folder) == self._manifest

    def link_to(self, target: Path) -> None:
        """Create a folder for one trial, with hard links to the files."""
        shutil.copytree(self._folder, target, copy_function=link_or_copy)
        # An earlier script may have removed the write protection of a linked file.
        _protect(target)
        self._users += 1

    def release(self) -> None:
        """Note that a trial no longer uses the files."""
        self._users -= 1

    def is_writer_known(self, changed: set[int]) -> bool:
        """Return whether only the trial that found the change can have changed the files.

        Trials share the linked files. If several trials run at the same time, each of these trials
        may have written to the files.

        Args:
            changed: The inodes of the files that have changed.
        """
        if not changed & {inode for inode, _, _ in self._manifest.values()}:
            return True
        self._is_doubtful = self._is_doubtful or self._users > 1
        return not self._is_doubtful


@dataclass(frozen=True)
class _Mount:
    """A write-protected input of one job."""

    folder: Path
    manifest: _Manifest
    shared: _SharedCopy | None

    def written_by(self) -> str:
        """Return which script wrote to the folder, for a warning; empty if no script did."""
        now = _manifest(self.folder)
        if now == self.manifest:
            return ""
        files = [
            {path: state[0] for path, state in entries.items()} for entries in (now, self.manifest)
        ]
        changed = {state[0] for path, state in now.items() if state != self.manifest.get(path)}
        # Trials share the content of linked files, but each trial has a separate folder. Only the
        # job's own script can have added, deleted or replaced a file in this folder.
        if self.shared is None or files[0] != files[1] or self.shared.is_writer_known(changed):
            return "the script"
        return "the script, or the script of another trial at the same time,"


class MountedInputs:
    """The path inputs of one job.

    Args:
        folder: The folder for the copies of inputs, which `close` deletes.
        shared: The inputs that the trials of a sweep share; None for a job that is not a trial.
    """

    def __init__(self, folder: Path, shared: SharedInputs | None = None) -> None:
        self._folder = folder
        self._shared = shared
        self._mounts: dict[str, _Mount] = {}

    def mount(self, inputs: Mapping[str, Literal | PathInput], message: _Message) -> dict[str, str]:
        """Copy the path inputs, and return each input's text for the command line.

        The text of a path input is the path of its files. The text of any other input is its value.
        """
        return {
            name: self._mount_one(name, value, message)
            if isinstance(value, PathInput)
            else literal_text(value)
            for name, value in inputs.items()
        }

    def warnings(self) -> list[str]:
        """Return a line for each write-protected input that a script has changed."""
        writers = {name: mount.written_by() for name, mount in self._mounts.items()}
        return [
            f"{writer} wrote to its input {name}; the same script would fail on Azure ML, because "
            "Azure ML mounts the input read-only"
            for name, writer in writers.items()
            if writer
        ]

    def close(self) -> None:
        """Delete the copies."""
        for mount in self._mounts.values():
            if mount.shared:
                mount.shared.release()
        self._mounts.clear()
        _delete_tree(self._folder)

    def _mount_one(self, name: str, value: PathInput, message: _Message) -> str:
        if self._shared:
            source = self._shared.source(name, value, message)
        else:
            source = local_path(name, value.path, message)
        if value.mode == "direct":
            return str(source)
        target = self._folder / name
        try:
            if value.mode == "ro_mount":
                self._mounts[name] = self._protected(name, source, target)
            else:
                _copy(source, target)
        except OSError as error:
            # The argument of shutil.Error is a list of tuples (source, target, reason).
            first = error.args[0][0][2] if isinstance(error, shutil.Error) else error
            raise JobError(
                f"job.inputs.{name}.path: {source} could not be copied for the job ({first}); "
                "make space on the disk, or use the original files with "
                f"job.inputs.{name}.mode=direct"
            ) from error
        return str(target if source.is_dir() else target / source.name)

    def _protected(self, name: str, source: Path, target: Path) -> _Mount:
        if self._shared:
            shared = self._shared.link(name, source, target)
            return _Mount(target, _manifest(target), shared)
        _copy(source, target)
        _protect(target)
        return _Mount(target, _manifest(target), None)


def create_outputs(outputs: Mapping[str, OutputSpec], folder: Path) -> dict[str, str]:
    """Create the named outputs below `folder` and return their paths."""
    paths = {}
    for name, spec in outputs.items():
        path = folder / name
        (path.parent if spec.type == "uri_file" else path).mkdir(parents=True, exist_ok=True)
        paths[name] = str(path)
    return paths


def _copy(source: Path, target: Path) -> None:
    def ignored(folder: str, names: Sequence[str]) -> set[str]:
        # The input may contain the outputs folder, and therefore `target`. Do not copy a folder
        # that contains `target`, because the copy would contain itself.
        outer = {name for name in names if target.is_relative_to(Path(folder, name))}
        return outer | _loops(folder, names)

    if source.is_dir():
        shutil.copytree(source, target, ignore=ignored, ignore_dangling_symlinks=True)
    else:
        target.mkdir(parents=True)
        shutil.copy2(source, target / source.name)


def _protect(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def _delete_tree(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        # Do not follow links, because a job may have created a link to any folder of the user.
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)


def _loops(folder: str, names: Sequence[str]) -> set[str]:
    """Return the links in a folder that lead to that folder or to a folder above it."""
    above = {path.resolve() for path in (Path(folder), *Path(folder).parents)}
    links = [name for name in names if Path(folder, name).is_symlink()]
    # Skip links whose target does not exist. Two links that point to each other have no target, and
    # `resolve` would raise an error.
    return {
        name
        for name in links
        if Path(folder, name).exists() and Path(folder, name).resolve() in above
    }


def _manifest(folder: Path) -> _Manifest:
    return {str(path.relative_to(folder)): _state(path) for path in folder.rglob("*")}


def _state(path: Path) -> tuple[int, int, int]:
    state = path.lstat()
    # Ignore the state of a folder, because the manifest contains every file of the folder. Ignore
    # the ctime of a file, because a new hard link changes the ctime too.
    return (0, 0, 0) if path.is_dir() else (state.st_ino, state.st_size, state.st_mtime_ns)
