"""Files that tests write."""

from pathlib import Path


def write_file(path: Path, text: str = "") -> Path:
    """Write a text file, create its folders, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
