"""Record the uncaught exception of a Python process that fails.

Python imports this file when a process of a job starts, because the folder of this file is on
PYTHONPATH. At its exit, the process writes a file with its exit code and its uncaught exception.
The file is a better source than the log. In the log, an exception may have many lines, may be
followed by other output, or may be formatted by the script.

This file must run in every Python since 3.8, because a job may bring its own Python. The file
imports only the standard library. Scripts do not see this file: the hook removes its folder and its
variable from the environment, and imports the `sitecustomize` that Python would have imported.
"""

from __future__ import annotations

import atexit
import os
import sys

# Importing `typing` would take half as long as the start of Python. Type checkers know this name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

#: The environment variable with the path of the file to write.
VARIABLE = "MNIST_EXP_FAILURE_FILE"

#: Exit code of a process that Ctrl-C ended, and of a process with any other uncaught exception.
_INTERRUPTED, _FAILED = 130, 1
#: Maximum number of characters of a recorded text.
_LONGEST = 1000
#: Maximum number of exceptions of an exception group that the text contains.
_SHOWN = 3
#: Words at the beginning of lines in which TensorFlow names places in its graph.
_PLACES = (
    "[[{{",
    "<stack traces unavailable>",
    "Detected at node",
    "Original stack trace",
    'File "',
)

#: The text that the script has passed to `sys.exit`.
_exit_text: list[str] = []


def hooked(environment: Mapping[str, str], path: str) -> dict[str, str]:
    """Return the environment of a process that records its failure.

    Args:
        environment: The environment of the process without the hook.
        path: The path of the file to write.
    """
    own = environment.get("PYTHONPATH")
    folders = [_folder(), own] if own is not None else [_folder()]
    return {**environment, "PYTHONPATH": os.pathsep.join(folders), VARIABLE: path}


def describe(error: BaseException) -> str:
    """Return the class and the message of an exception in one line.

    The text also contains the exceptions of an exception group, and the cause of the exception.
    """
    text = type(error).__qualname__
    if message := _message(error):
        text = f"{text}: {message}"
    parts = getattr(error, "exceptions", None)
    if isinstance(parts, tuple) and parts:
        text += ": " + "; ".join(describe(part) for part in parts[:_SHOWN])
    cause = error.__cause__
    # A worker of `multiprocessing` sends its traceback as the cause of its exception.
    if cause is not None and type(cause).__name__ != "RemoteTraceback":
        text += f", caused by {describe(cause)}"
    return text[:_LONGEST]


def record(path: str, error: BaseException) -> None:
    """Write the exception that ends a process to the file `path`.

    A SystemExit without a text is not written, because it gives no reason.
    """
    if not isinstance(error, SystemExit):
        code = _INTERRUPTED if isinstance(error, KeyboardInterrupt) else _FAILED
        _write(path, code, describe(error))
    elif error.code is not None and not isinstance(error.code, int):
        _write(path, _FAILED, " ".join(str(error.code).split())[:_LONGEST])


def _message(error: BaseException) -> str:
    try:
        texts = [error, *getattr(error, "__notes__", ())]
        lines = [line for text in texts for line in str(text).splitlines()]
    except Exception:
        # The class is the script's own, and its __str__ may fail.
        return "its message cannot be shown"
    kept = []
    is_source = False
    for line in map(str.strip, lines):
        # The line after `File "..."` is a line of source code.
        if not is_source and not line.startswith(_PLACES):
            kept.append(line)
        is_source = line.startswith('File "')
    return " ".join(" ".join(kept).split())


def _write(path: str, code: int, text: str) -> None:
    aside = f"{path}.{os.getpid()}"
    try:
        with open(aside, "w", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123
            # Do not use `json`. Importing the module here would run code from a string, and Python
            # would then forget that Ctrl-C ended the script.
            file.write(f"{code}\n{text}")
        os.replace(aside, path)  # noqa: PTH105
    except OSError:
        # Without the file, the last line of the log is the reason.
        return


def _install(path: str) -> None:
    """Record the failure of this process at its exit."""
    exit_as_before = sys.exit

    def exit_with_text(status: Any = None, /) -> NoReturn:
        has_text = status is not None and not isinstance(status, int)
        _exit_text[:] = [status] if has_text else []
        exit_as_before(status)

    def write() -> None:
        error = getattr(sys, "last_value", None)
        if error is None and _exit_text:
            error = SystemExit(_exit_text[0])
        if error is not None:
            record(path, error)

    sys.exit = exit_with_text
    # Functions of `atexit` run in reverse order, so this function runs after those of the script.
    atexit.register(write)


def _folder() -> str:
    return os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120


def _disappear() -> None:
    """Remove the hook's folder from the paths, and import the next `sitecustomize`."""
    folder = _folder()
    sys.path[:] = [path for path in sys.path if path != folder]
    kept = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path != folder]
    if kept:
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)
    else:
        os.environ.pop("PYTHONPATH", None)
    ours = sys.modules.pop(__name__)
    try:
        __import__(__name__)
    except ImportError as error:
        if error.name != __name__:
            raise
        # There is no other `sitecustomize`. Python's import of this module fails if sys.modules
        # does not contain the module.
        sys.modules[__name__] = ours


if __name__ == "sitecustomize":
    if _path := os.environ.pop(VARIABLE, None):
        _install(_path)
    _disappear()
