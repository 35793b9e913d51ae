"""A fork's end: all that Python does at its exit, but without taking itself apart.

At its end Python takes every module apart, one by one. In a fork each of them is a copy yet to be
made of memory that was shared so far, and that takes longer than to start the fork. `os._exit`
spares that; what a script can notice of it is done here: its threads are waited for, what it has
registered is called, its objects are let go of, and nothing that it has written stays in a buffer.
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

#: In the place of an exit code: of a script that a KeyboardInterrupt has ended.
INTERRUPTED = object()

_WRITERS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
#: Python's own exit code when standard output cannot be written at the end.
_UNWRITTEN = 120


def leave(code: object, folder: Path, modules: int) -> NoReturn:
    """End this process.

    Args:
        code: That of a SystemExit: None, a number, or a last word for standard error;
            or INTERRUPTED.
        folder: Where the script's own modules are.
        modules: How many modules there were before the script.
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
    # Threads that nobody waits for may need what the script holds until the last moment.
    if threading.active_count() == 1:
        _let_go(folder, modules)
        is_written = _flush() and is_written
    if is_interrupted:
        # As Python does, for whoever asks how it ended.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(number & 0xFF if is_written else number or _UNWRITTEN)


def _let_go(folder: Path, modules: int) -> None:
    """Let the script's own objects end as they do when its modules go.

    Only to look at a module that was there before would copy the memory that it lies in.
    """
    later = max(0, len(sys.modules) - modules)
    # In the order in which they came.
    names = ["__main__"]
    names += [
        name
        for name, module in itertools.islice(reversed(sys.modules.items()), later)
        # To ask for the file itself would load modules that are there in name only.
        if folder in Path(getattr(module, "__dict__", {}).get("__file__") or "").parents
    ]
    for name in names:
        sys.modules.pop(name, None)
    gc.collect()


def _flush() -> bool:
    """Write what is left in the buffers of open files; False where standard output fails."""
    # isinstance would ask the objects themselves, and some make a lot of that.
    files = [one for one in gc.get_objects() if issubclass(type(one), _WRITERS)]
    for file in files:
        _is_flushed(file)
    _flush_summaries()
    ctypes.CDLL(None).fflush(None)
    return _is_flushed(sys.stdout)


def _flush_summaries() -> None:
    """Have TensorFlow write what it keeps in a buffer of its own until it is taken apart.

    Where it has computed nothing there is nothing, and to ask it would wake its devices.
    """
    module: Any = sys.modules.get("tensorflow.python.eager.context")
    context = getattr(module, "_context", None)
    if context is None or not getattr(context, "_initialized", True):
        return
    try:
        sys.modules["tensorflow"].summary.flush()
    except Exception as error:
        # Whatever a library may raise.
        print(f"what is left to be written was not: {error}", file=sys.stderr)


def _is_flushed(file: Any) -> bool:
    try:
        # A script may have put anything in the place of standard output, or nothing.
        if file is not None and not getattr(file, "closed", False):
            file.flush()
    except (OSError, ValueError):
        return False
    return True
