"""Rules of paths that several groups share."""

from pathlib import Path


def leads_out(path: str) -> bool:
    """Whether a path leads out of the folder that it is relative to."""
    return Path(path).is_absolute() or ".." in Path(path).parts
