"""A faster import of TensorFlow: without the packages that a training run does not need.

`import tensorflow` also imports Keras. Keras imports matplotlib, scikit-learn and pandas where they
are installed, and MLflow's dependencies install them. Together these imports take 1.7 of 3.7 s.
All of them are optional, so this module hides the packages while TensorFlow is imported.
"""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from digits.settings import Settings

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_EXTRAS = ("matplotlib", "pandas", "sklearn")


def needs_keras(settings: Settings) -> bool:
    """Return whether the run takes the general path, as far as that is known before it starts."""
    return not settings.is_dense_sgd or "TF_CONFIG" in os.environ


def import_tensorflow(*, keras: bool) -> Any:
    """Import TensorFlow; a second call returns the module unchanged.

    Args:
        keras: Whether the run needs Keras.

    Returns:
        The module `tensorflow`.
    """
    # With a log level below 2, the user wants TensorFlow's messages, so all are shown.
    quiet = _quiet_stderr() if os.environ.setdefault(_LOG_LEVEL, "3") >= "2" else nullcontext()
    with absent(*_EXTRAS, *(() if keras else ("keras",))), quiet, _no_collections():
        import tensorflow as tf  # noqa: PLC0415
    return tf


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Hide packages inside the block, unless they are imported already."""
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
    # Imported objects stay for good. Searching them for garbage takes a seventh of the import.
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
    """Keep what the block writes to stderr, and write it only if the block fails.

    TensorFlow writes a greeting in C++ before it reads its log level.
    """
    if sys.stderr is None:
        # The parent process has closed stderr, so there is nothing to hold back.
        yield
        return
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except Exception:
            # A stop or an interrupt is no failure of the import: they are BaseExceptions.
            said.seek(0)
            os.write(original, said.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
