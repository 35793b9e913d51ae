"""Imports that go without a package which they would load, though they could do without it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Make packages that are not imported yet look as if they were not installed, for the moment.

    None in sys.modules makes an import raise ModuleNotFoundError:
    https://docs.python.org/3/reference/import.html#the-module-cache
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
