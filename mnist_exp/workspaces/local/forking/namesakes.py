"""Which names Python finds in a folder before it looks at what is installed."""

from importlib.machinery import all_suffixes
from pathlib import Path


def own_modules(folder: Path) -> set[str]:
    """Return the names of the modules and packages in a folder.

    Other files name nothing, and neither do folders without an `__init__` module: Python takes
    those for a namespace only where it finds nothing else of that name, and puts an installed
    namespace together with them. https://docs.python.org/3/reference/import.html
    """
    paths = folder.iterdir() if folder.is_dir() else ()
    return {name for path in paths if (name := _name(path))}


def _name(path: Path) -> str | None:
    """Return the name that a file or folder is imported by."""
    if path.is_dir():
        is_package = any((path / f"__init__{suffix}").is_file() for suffix in all_suffixes())
        return path.name if is_package else None
    stems = [path.name.removesuffix(end) for end in all_suffixes() if path.name.endswith(end)]
    # Of numpy.abi3.so the shortest; a name with a dot in it cannot be imported.
    stem = min(stems, key=len, default="")
    return stem if stem.isidentifier() else None
