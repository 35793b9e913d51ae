"""A context manager that prevents imports of optional packages that take long to load."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Prevent imports of packages in a `with` block. Packages already imported stay available.

    If sys.modules contains None for a package, an import of the package raises ModuleNotFoundError:
    https://docs.python.org/3/reference/import.html#the-module-cache
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
