"""Files and folders that are replaced as a whole, or not at all."""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from digits.errors import SettingsError


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder, and put it in the target's place when the block succeeds.

    Raises:
        OSError: The disk is full or the place is not writable; the target is unchanged.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.part")
    old = target.with_name(f".{target.name}.old")
    # A killed process may have left them.
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
    """Yield a path to write to, and rename it to the target when the block succeeds.

    Raises:
        OSError: The disk is full or the place is not writable; the target is unchanged.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.part")
    try:
        yield new
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)


def make_writable_folder(folder: Path, what: str, remedy: str) -> None:
    """Create a folder if it is missing, and check that files can be written there.

    A run checks its folders before it trains, so that hours of training are not lost.

    Args:
        folder: The folder.
        what: The beginning of the error message; it names what the folder is for.
        remedy: The end of the error message.

    Raises:
        SettingsError: The folder cannot be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The folder of an earlier run may belong to another user.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        # A full disk may have room again when the file is written.
        if error.errno != errno.ENOSPC:
            raise SettingsError(
                f"{what} {folder.absolute()}, which cannot be written ({error.strerror}); {remedy}"
            ) from error


def _replace_folder(new: Path, target: Path, old: Path) -> None:
    # A folder cannot be renamed to a folder that has files, so the old one is moved first.
    if target.exists():
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
