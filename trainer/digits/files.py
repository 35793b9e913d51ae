"""Files that are there whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Lends an empty folder, which takes the target's name and place if all goes well.

    Raises:
        OSError: The disk is full or the place is not writable; the target is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.part")
    old = target.with_name(f".{target.name}.old")
    for left_over in (aside, old):
        shutil.rmtree(left_over, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        _take_place(aside, target, old)
    finally:
        for left_over in (aside, old):
            shutil.rmtree(left_over, ignore_errors=True)


@contextmanager
def replaced_file(target: Path) -> Iterator[Path]:
    """Lends a path to write to, which takes the target's name and place if all goes well.

    Raises:
        OSError: The disk is full or the place is not writable; the target is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.part")
    try:
        yield aside
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def _take_place(aside: Path, target: Path, old: Path) -> None:
    # A folder cannot be renamed onto a filled one, so the old one steps back first.
    if target.exists():
        target.rename(old)
    try:
        aside.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
