"""End a fork in the same way as Python's exit, but without destroying all modules.

When Python exits, Python destroys every module. In a fork, the kernel would then copy the memory
that the fork shares with the server. The copies would take longer than starting the fork.
`os._exit` ends the process without destroying modules. But `os._exit` also skips four steps that a
script may need. `leave` therefore does these four steps before it calls `os._exit`:

- wait for the script's threads
- call the functions registered with `atexit`
- destroy the script's own objects
- write the buffers of open files
"""

import atexit
import ctypes
import gc
import io
import itertools
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

from mnist_exp.workspaces.local.processes.supervisor import EXIT_BY_SIGNAL

#: The value that replaces the exit code if a KeyboardInterrupt ended the script.
INTERRUPTED = object()

_WRITERS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
#: Exit code of a Python process that cannot write the buffer of standard output.
_UNWRITTEN = 120


def leave(code: object, folder: Path, modules: int) -> NoReturn:
    """End this process.

    Args:
        code: The code of a SystemExit: None, a number, or a text for standard error. INTERRUPTED
            if a KeyboardInterrupt ended the script.
        folder: The folder of the script's own modules.
        modules: The number of modules that were loaded before the script ran.
    """
    is_interrupted = code is INTERRUPTED
    if is_interrupted:
        code = EXIT_BY_SIGNAL + signal.SIGINT
    elif code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    number = int(code or 0)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    is_written = _flush()
    # If daemon threads still run, keep the script's objects, because the threads may use them.
    if threading.active_count() == 1:
        _destroy_own_modules(folder, modules)
        is_written = _flush() and is_written
    if is_interrupted:
        # End this process with SIGINT, as Python does. The parent process can then see the reason.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(number & 0xFF if is_written else number or _UNWRITTEN)


def _destroy_own_modules(folder: Path, modules: int) -> None:
    """Destroy the objects of the script and of the script's own modules.

    This function does not read modules that were loaded before the script ran. Reading a module
    changes its reference count, and the kernel would then copy the memory page of the module.

    Args:
        folder: The folder of the script's own modules.
        modules: The number of modules that were loaded before the script ran.
    """
    later = max(0, len(sys.modules) - modules)
    names = ["__main__"]
    names += [
        name
        for name, module in itertools.islice(reversed(sys.modules.items()), later)
        # Use `__dict__`, because reading `module.__file__` would load a lazy module.
        if folder in Path(getattr(module, "__dict__", {}).get("__file__") or "").parents
    ]
    for name in names:
        sys.modules.pop(name, None)
    gc.collect()


def _flush() -> bool:
    """Write the buffers of open files, and return whether standard output could be written."""
    # Do not use isinstance(), which reads `__class__` of every object. In some libraries,
    # `__class__` is a slow property.
    files = [one for one in gc.get_objects() if issubclass(type(one), _WRITERS)]
    for file in files:
        _is_flushed(file)
    _flush_summaries()
    ctypes.CDLL(None).fflush(None)
    return _is_flushed(sys.stdout)


def _flush_summaries() -> None:
    """Write the summaries that TensorFlow has in its own buffers.

    If TensorFlow has computed nothing, there are no summaries. A flush would then only initialize
    TensorFlow's devices.
    """
    module: Any = sys.modules.get("tensorflow.python.eager.context")
    context = getattr(module, "_context", None)
    if context is None or not getattr(context, "_initialized", True):
        return
    try:
        sys.modules["tensorflow"].summary.flush()
    except Exception as error:
        # TensorFlow may raise any error here, and the exit must continue.
        print(f"TensorFlow's summaries could not be written: {error}", file=sys.stderr)


def _is_flushed(file: Any) -> bool:
    try:
        # A script may have replaced standard output by any object or by None.
        if file is not None and not getattr(file, "closed", False):
            file.flush()
    except (OSError, ValueError):
        return False
    return True
