"""Import the libraries of the trials in the fork server, before any fork.

Notation of a module:

- `name` imports the module.
- `name~other` imports the module and hides the module `other`, as if `other` were not installed.
  The import of `name` is then faster, because it does not import `other`.
- `name:function` imports the module and calls the function.

After its import, a module must have no working thread and no open connection. A fork cannot safely
use the threads and connections of the server.
"""

import contextlib
import gc
import importlib
import os
import sys
import warnings
from collections.abc import Iterator

from mnist_exp.hidden_imports import absent

#: The variable with the lowest level of the messages that TensorFlow shows.
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@contextlib.contextmanager
def _unwarned() -> Iterator[None]:
    """Hide all warnings. Most of these warnings are about hidden libraries.

    This function does not change the warning filters, because imported libraries may set filters
    for the trials.
    """
    show = warnings.showwarning
    warnings.showwarning = lambda *_, **__: None
    try:
        yield
    finally:
        warnings.showwarning = show


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Delete from the log what an import has written, if the user wants no messages of TensorFlow.

    The log level cannot hide all messages: TensorFlow's C++ code writes some messages before it
    reads the log level. If the import fails, the messages stay.
    """
    is_quiet = os.environ.get(_LOG_LEVEL, "") >= "2"
    size = os.fstat(sys.stderr.fileno()).st_size
    yield
    if is_quiet:
        sys.stderr.flush()
        # The size can only be set if standard error is a file.
        with contextlib.suppress(OSError):
            os.ftruncate(sys.stderr.fileno(), size)


def preload(modules: list[str]) -> None:
    """Import modules. If an import fails, print the reason and continue.

    Args:
        modules: The modules, in the notation of this file's docstring.
    """
    gc.disable()
    for entry in modules:
        name, *hidden = entry.split("~")
        try:
            with _unwarned(), _quiet(), absent(*hidden):
                module, _, function = name.partition(":")
                imported = importlib.import_module(module)
                if function:
                    getattr(imported, function)()
        except Exception as error:
            # A library may raise any error. A script that imports the library gets the error too.
            print(f"{name} cannot be imported here: {error}", file=sys.stderr, flush=True)
    gc.enable()
    # A fork shares the memory of the imported objects with the server until the fork or the server
    # writes to this memory. Freeze the objects, because the garbage collector would write to them.
    gc.freeze()
