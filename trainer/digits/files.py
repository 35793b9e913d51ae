"""Functions that replace a file or a folder, and a function that checks a folder.

A file or folder is replaced completely or not at all. If an error occurs, the old file or folder
stays unchanged.
"""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from digits.errors import SettingsError


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Yield an empty temporary folder. If the block succeeds, rename this folder to the target.

    Raises:
        OSError: The disk is full or the parent folder is not writable; the target is unchanged.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.part")
    old = target.with_name(f".{target.name}.old")
    # These folders exist if an earlier process was killed before it could delete the folders.
    for folder in (new, old):
        shutil.rmtree(folder, ignore_errors=True)
    new.mkdir()
    try:
        yield new
        _replace_folder(new, target, old)
    finally:
        for folder in (new, old):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def replaced_file(target: Path) -> Iterator[Path]:
    """Yield the path of a temporary file. If the block succeeds, rename this file to the target.

    Raises:
        OSError: The disk is full or the parent folder is not writable; the target is unchanged.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.part")
    try:
        yield new
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)


def make_writable_folder(folder: Path, what: str, remedy: str) -> None:
    """Create a folder if it is missing, and check that files can be written to the folder.

    A run calls this function for its folders before it trains. Otherwise the run could train for
    hours and then fail, because it cannot write its results.

    Args:
        folder: The folder to create and check.
        what: The beginning of the error message, which states the purpose of the folder.
        remedy: The end of the error message, which states what the user can do.

    Raises:
        SettingsError: The folder cannot be created, or files cannot be written to the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Creating the folder is not enough: a folder that exists may belong to another user.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        # Ignore a full disk: the disk may have free space again when the run saves its files.
        if error.errno != errno.ENOSPC:
            raise SettingsError(
                f"{what} the folder {folder.absolute()} cannot be written ({error.strerror});"
                f" {remedy}"
            ) from error


def _replace_folder(new: Path, target: Path, old: Path) -> None:
    # A folder cannot get the name of an existing folder that contains files. Therefore rename the
    # old folder first.
    if target.exists():
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
