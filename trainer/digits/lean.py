"""A faster import of TensorFlow, without packages that a training run does not need.

`import tensorflow` takes 3.7 s. TensorFlow imports Keras, and Keras imports matplotlib,
scikit-learn and pandas if these three packages are installed. Installing MLflow also installs these
packages. Keras and the three packages take 1.7 s of the 3.7 s, but TensorFlow does not need them.
Therefore this module hides the three packages while TensorFlow is imported. The module also hides
Keras if the run does not need Keras.
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
#: Packages that Keras imports if they are installed.
_EXTRAS = ("matplotlib", "pandas", "sklearn")


def needs_keras(settings: Settings) -> bool:
    """Return whether the run may need the general path, which uses Keras.

    With TF_CONFIG the job may have several workers. Only the general path supports several workers.
    """
    return not settings.is_dense_sgd or "TF_CONFIG" in os.environ


def import_tensorflow(*, keras: bool) -> Any:
    """Import TensorFlow and return the module. A second call returns the same module.

    Args:
        keras: Whether the run needs Keras.
    """
    # Hide TensorFlow's messages, unless the user has set a log level below 2 to see the messages.
    quiet = _quiet_stderr() if os.environ.setdefault(_LOG_LEVEL, "3") >= "2" else nullcontext()
    with absent(*_EXTRAS, *(() if keras else ("keras",))), quiet, _no_collections():
        import tensorflow as tf  # noqa: PLC0415
    return tf


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Hide packages inside the block. Packages that are already imported stay visible."""
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
    # Imported objects are never garbage, because they stay until the process ends. Searching these
    # objects for garbage would take a seventh of the import time.
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
    """Hide the text that the block writes to stderr. If the block fails, show this text.

    The log level cannot hide all text: TensorFlow's C++ code writes a line to stderr before it
    reads the log level.
    """
    if sys.stderr is None:
        # The parent process has closed stderr. No output can appear.
        yield
        return
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except Exception:
            # Do not show the text after SIGTERM or Ctrl-C. Their exceptions are not subclasses of
            # Exception, and do not reach this code.
            said.seek(0)
            os.write(original, said.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
