"""Where a job finds its inputs and leaves its outputs on this machine.

`ro_mount` and `download` give the job a copy of its own, which is gone after the job, as on
Azure ML; the copy of a `ro_mount` is write-protected, and a script that writes to it all the
same (root may) is told. `direct` hands over the path as it is.
https://learn.microsoft.com/azure/machine-learning/how-to-read-write-data-v2
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mnist_exp.config import DataConfig
from mnist_exp.datasets import materialize
from mnist_exp.errors import JobError
from mnist_exp.specs import Literal, OutputSpec, PathInput
from mnist_exp.templates import literal_text

#: What a copy of an input lists: relative name -> (size, time of the last change).
_Listing = dict[str, tuple[int, int]]


def local_path(name: str, source: Path | str | DataConfig, message: Callable[[str], None]) -> Path:
    """Return the folder or file that a path input names.

    Raises:
        DataError: The digits are missing, damaged or cannot be fetched.
        JobError: It names a place on Azure, or nothing at all.
    """
    if isinstance(source, DataConfig):
        return materialize(source, message)
    path = Path(str(source).removeprefix("file://"))
    if not isinstance(source, Path) and not str(source).startswith("file://"):
        raise JobError(
            f"job.inputs.{name}.path: the local workspace reads local paths, got {source}; "
            "download it and name the folder"
        )
    if not path.exists():
        raise JobError(f"job.inputs.{name}.path: must exist, got {path}")
    return path


class MountedInputs:
    """The path inputs of one job, copied below `folder`.

    Args:
        folder: Gets one entry for each input; removed by `close`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listings: dict[str, _Listing] = {}

    def mount(
        self, inputs: Mapping[str, Literal | PathInput], message: Callable[[str], None]
    ) -> dict[str, str]:
        """Return each input's text for the command line: its value, or the path of its copy."""
        return {
            name: self._mount_one(name, value, message)
            if isinstance(value, PathInput)
            else literal_text(value)
            for name, value in inputs.items()
        }

    def written(self) -> list[str]:
        """Return the names of write-protected inputs that the job wrote to."""
        return [
            name
            for name, before in self._listings.items()
            if _listing(self._folder / name) != before
        ]

    def close(self) -> None:
        """Remove the copies."""
        for path in [self._folder, *self._folder.rglob("*")]:
            # Not through a link: a job may have left one to anywhere.
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _mount_one(self, name: str, value: PathInput, message: Callable[[str], None]) -> str:
        source = local_path(name, value.path, message)
        if value.mode == "direct":
            return str(source)
        target = self._folder / name
        try:
            _copy(source, target)
        except OSError as error:
            # shutil gathers what failed as (source, target, reason).
            first = error.args[0][0][2] if isinstance(error, shutil.Error) else error
            raise JobError(
                f"job.inputs.{name}.path: {source} could not be copied for the job ({first}); "
                "free space, or hand it over as it is with mode=direct"
            ) from error
        if value.mode == "ro_mount":
            for path in [*target.rglob("*"), target]:
                path.chmod(0o555 if path.is_dir() else 0o444)
            self._listings[name] = _listing(target)
        return str(target if source.is_dir() else target / source.name)


def make_outputs(outputs: Mapping[str, OutputSpec], folder: Path) -> dict[str, str]:
    """Make the named outputs below `folder` and return their paths."""
    paths = {}
    for name, spec in outputs.items():
        path = folder / name
        (path if spec.type == "uri_folder" else path.parent).mkdir(parents=True, exist_ok=True)
        paths[name] = str(path)
    return paths


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=_loops, ignore_dangling_symlinks=True)
    else:
        target.mkdir(parents=True)
        shutil.copy2(source, target / source.name)


def _loops(folder: str, names: Sequence[str]) -> set[str]:
    """Return the links in a folder to that folder or one above it."""
    above = {path.resolve() for path in (Path(folder), *Path(folder).parents)}
    links = [name for name in names if Path(folder, name).is_symlink()]
    # Two links that name each other have no end to resolve to.
    return {
        name
        for name in links
        if Path(folder, name).exists() and Path(folder, name).resolve() in above
    }


def _listing(folder: Path) -> _Listing:
    return {str(path.relative_to(folder)): _state(path) for path in folder.rglob("*")}


def _state(path: Path) -> tuple[int, int]:
    # A folder's own time changes with what is in it, which is listed itself.
    state = path.lstat()
    return (0, 0) if path.is_dir() else (state.st_size, state.st_mtime_ns)
