"""MNIST's four files: their names, and the search for them in a folder."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from mnist_exp.errors import DataError

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"

#: The published names of the four files. A user's files may have slightly different names (see
#: `find_files`).
NAMES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

#: Maximum number of file names in an error message.
_SHOWN = 5


def find_files(folder: Path) -> dict[str, Path]:
    """Find the four files in `folder` or its subfolders.

    A file may be gzipped or not. The last part of its name may begin with a dash or a dot
    (`-idx3` or `.idx3`). If one of the four files exists several times, use the copy with the
    fewest parent folders. If several copies have equally many parent folders, use the first copy
    in the order of the paths. The trainer follows the same rule.

    Args:
        folder: The folder to search.

    Returns:
        Name in `NAMES` -> path of the file.

    Raises:
        DataError: The folder or one of the files is missing.
    """
    if not folder.is_dir():
        fault = "must be a folder, got a file" if folder.exists() else "no such folder"
        raise DataError(f"data.path: {folder}: {fault}")
    found: dict[str, Path] = {}
    others: list[str] = []
    for path in _files_below(folder):
        name = _published_name(path.name)
        if name is None:
            others.append(path.name)
        else:
            found.setdefault(name, path)
    if missing := [name for name in NAMES if name not in found]:
        seen = [path.name for path in found.values()] + others
        raise DataError(
            f"data.path: {folder}: no {', '.join(missing)} in this folder or its subfolders; "
            f"found {_shortened(seen)}; use data=sample if you have no MNIST files"
        )
    return found


def narrowest_folder(files: Mapping[str, Path]) -> Path:
    """Return the deepest folder that contains all the files.

    A job copies this whole folder. The deepest folder contains the fewest unrelated files.
    """
    return Path(os.path.commonpath([path.parent for path in files.values()]))


def _files_below(folder: Path) -> Iterator[Path]:
    paths = sorted(folder.rglob("*"), key=lambda path: (len(path.parts), path))
    return (path for path in paths if path.is_file())


def _published_name(name: str) -> str | None:
    dashed = name.removesuffix(".gz").replace(".idx", "-idx") + ".gz"
    return dashed if dashed in NAMES else None


def _shortened(names: list[str]) -> str:
    if not names:
        return "no file at all"
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
