"""TensorFlow, imported without what a training run does not need.

`import tensorflow` loads Keras at once, and Keras loads matplotlib, scikit-learn and pandas where
they are installed, as MLflow has them installed: of 3.7 s, 1.7 s are spent on that. All of them
are optional to those who import them, so they are made to look absent for the moment.
"""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_EXTRAS = ("matplotlib", "pandas", "sklearn")


def import_tensorflow(*, keras: bool) -> Any:
    """Imports TensorFlow once; where it was loaded before, returns it as it is.

    Args:
        keras: Whether Keras will be needed.

    Returns:
        The module `tensorflow`.
    """
    # Whoever asked for TensorFlow's messages, by a level below that of errors, gets them all.
    quiet = _quiet_stderr() if os.environ.setdefault(_LOG_LEVEL, "3") >= "2" else nullcontext()
    with absent(*_EXTRAS, *(() if keras else ("keras",))), quiet, _no_collections():
        import tensorflow as tf  # noqa: PLC0415
    return tf


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Makes packages that are not imported yet look as if they were not installed."""
    # None in sys.modules makes an import raise ModuleNotFoundError:
    # https://docs.python.org/3/reference/import.html#the-module-cache
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


@contextmanager
def _no_collections() -> Iterator[None]:
    # All that an import makes stays: to look for garbage among it takes a seventh of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
        gc.freeze()


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    # TensorFlow greets in C++ before it reads its log level; what it says counts only if it fails.
    if sys.stderr is None:
        # Whoever started this has closed it: nothing is said, and nothing can be kept from being.
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except Exception:
            # Only then: what ends an import from outside, a stop or an interrupt, is no failure.
            said.seek(0)
            os.write(kept, said.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
