"""Record the uncaught exception of a Python process that fails.

Python imports this file when a process of a job starts, because the folder of this file is on
PYTHONPATH. If the process fails, it writes a file with its exit code and its uncaught exception.
The file is a better source than the log. In the log, an exception may have many lines, may be
followed by other output, or may be formatted by the script.

This file must run in every Python since 3.8, because a job may bring its own Python. The file
imports only the standard library. Scripts do not see this file: the hook removes its folder and its
variable from the environment. Then the hook imports the `sitecustomize` that Python would import
without the hook.
"""

from __future__ import annotations

import atexit
import builtins
import gc
import os
import sys

# Importing `typing` would take half as long as the start of Python. Type checkers know this name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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

#: The exit code and the reason of the last call of `sys.exit`; empty if the call had no reason.
_exit: list[tuple[int, str]] = []


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
    cause = _cause(error)
    # A worker of `multiprocessing` or `concurrent.futures` sends its traceback as the cause of its
    # exception.
    if cause is not None and not type(cause).__name__.endswith("RemoteTraceback"):
        text += f", caused by {describe(cause)}"
    return text[:_LONGEST]


def record(path: str, error: BaseException) -> None:
    """Record in the file `path` which exception ends the process.

    Do not record a SystemExit that gives no reason.
    """
    if not isinstance(error, SystemExit):
        code = _INTERRUPTED if isinstance(error, KeyboardInterrupt) else _FAILED
        _write(path, code, describe(error))
    elif reason := _exit_reason(error.code, _before(error)):
        _write(path, *reason)


def record_immediate_exits(path: str) -> None:
    """Make `os._exit` record the exception that the process is handling, in the file `path`."""
    exit_as_before = os._exit

    def exit_with_reason(status: int) -> NoReturn:
        # If the script's `sys.excepthook` calls `os._exit`, the exception is in sys.last_value.
        error = sys.exc_info()[1] or getattr(sys, "last_value", None)
        if reason := _exit_reason(status, error):
            _write(path, *reason)
        exit_as_before(status)

    os._exit = exit_with_reason


def _exit_reason(status: object, error: BaseException | None) -> tuple[int, str] | None:
    """Return the exit code and the reason of an exit; None if the exit has no reason.

    Args:
        status: The argument of `sys.exit` or `os._exit`. If it is a text, the text is the reason.
        error: The exception that the process is handling. If `status` is a number, this exception
            is the reason.
    """
    if status is None:
        return None
    if not isinstance(status, int):
        return _FAILED, " ".join(str(status).split())[:_LONGEST]
    # Libraries such as click handle the exception that is the reason, and then raise an exception
    # that contains only the exit code. Search for the reason.
    while error is not None and (_is_number(error) or str(error) == str(status)):
        error = _before(error)
    if status == 0 or error is None:
        return None
    is_exit = isinstance(error, SystemExit)
    return status & 0xFF, " ".join(str(error).split())[:_LONGEST] if is_exit else describe(error)


def _is_number(error: BaseException) -> bool:
    """Return whether an exception is a SystemExit without a text."""
    is_exit = isinstance(error, SystemExit)
    return is_exit and (error.code is None or isinstance(error.code, int))  # type: ignore[attr-defined]


def _before(error: BaseException) -> BaseException | None:
    """Return the cause of `error`, else the exception that was handled when `error` was raised."""
    return _cause(error) or (None if error.__suppress_context__ else error.__context__)


def _cause(error: BaseException) -> BaseException | None:
    # After `raise error from error`, an exception is its own cause.
    return None if error.__cause__ is error else error.__cause__


def _led_to(cause: BaseException, error: BaseException | None) -> bool:
    """Return whether `cause` is `error`, or is in the chain of the exceptions before `error`."""
    while error is not None and error is not cause:
        error = _before(error)
    return error is cause


def _message(error: BaseException) -> str:
    try:
        texts = [error, *getattr(error, "__notes__", ())]
        lines = [line for text in texts for line in str(text).splitlines()]
    except Exception:
        # The script may define the class of the exception, and `__str__` of this class may fail.
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
        # Without the file, `mnist-exp` shows the last line of the log as the reason.
        return


def _install(path: str) -> None:
    """Record the failure of this process at its exit."""

    def note(status: object, error: BaseException | None = None) -> None:
        uncaught = getattr(sys, "last_value", None)
        reason = _exit_reason(status, error or sys.exc_info()[1] or uncaught)
        _exit[:] = [reason] if reason else []
        if uncaught is not None:
            # The script's `sys.excepthook` ends the process with an exit code of its own.
            atexit.unregister(write)
            atexit.register(write_exit)

    def exit_with_reason(status: Any = None, /) -> NoReturn:
        note(status)
        # Unlike the original function, always create the exception. `_note_raised_exit` looks for
        # the exception.
        error = SystemExit(status)
        _forget_if_caught(error)
        try:
            raise error
        finally:
            # Without this line, the exception would keep itself alive.
            del error

    def write() -> None:
        error = getattr(sys, "last_value", None)
        if error is not None:
            record(path, error)
        else:
            write_exit()

    def write_exit() -> None:
        if _exit:
            _write(path, *_exit[0])

    sys.exit = exit_with_reason
    _note_builtin_exit(note)
    _note_raised_exit(note)
    record_immediate_exits(path)
    # Functions of `atexit` run in reverse order, so this function runs after those of the script.
    atexit.register(write)


def _note_builtin_exit(note: Callable[[object], None]) -> None:
    """Call a function when a script calls `exit` or `quit`, which do not call `sys.exit`."""
    kind = type(getattr(builtins, "exit", None))
    if kind.__name__ != "Quitter":
        return
    call_as_before = kind.__call__

    def call(self: object, code: object = None) -> object:
        note(code)
        try:
            return call_as_before(self, code)
        except SystemExit as error:
            _forget_if_caught(error)
            raise

    kind.__call__ = call  # type: ignore[method-assign]


class _End:
    """An attribute of a SystemExit, which forgets the recorded exit if a script caught it.

    Python deletes an uncaught exception when all Python functions have ended. Python deletes a
    caught exception earlier, while a function of the script runs. `_note_raised_exit` cannot
    replace this class: `python -c` and `python -m` flush no stream before Python's exit.
    """

    def __init__(self, reason: tuple[int, str]) -> None:
        self._reason = reason

    def __del__(self) -> None:
        if _exit and _exit[0] is self._reason and sys._getframe().f_back is not None:
            _exit.clear()

    def __reduce__(self) -> tuple[type[bool], tuple[()]]:
        # A script may pickle or copy the exception. The copy needs no attribute of this class.
        return bool, ()


def _forget_if_caught(error: SystemExit) -> None:
    """Forget the exit that was noted last when the script catches its exception `error`."""
    if _exit:
        error._mnist_exp_end = _End(_exit[0])  # type: ignore[attr-defined]


def _note_raised_exit(note: Callable[[object, BaseException | None], None]) -> None:
    """Call a function when a script raises SystemExit without `sys.exit`.

    Python shows such an exception to no function. But before Python handles the exception, Python
    flushes sys.stderr. At this call no Python function runs, and the exception is among the
    youngest objects of the garbage collector.
    """
    stream = sys.stderr
    if stream is None:
        return
    flush_as_before = stream.flush

    def flush() -> None:
        flush_as_before()
        if sys._getframe().f_back is not None:
            return
        exits = _exits(1, 0)
        if not exits and not _exits(2):
            # The script has caught every SystemExit, so no SystemExit ends the process.
            _exit.clear()
        if not exits or (error := _before(exits[-1])) is None:
            return
        # The script may have caught the SystemExit. Then a later exception ends the process.
        uncaught = getattr(sys, "last_value", None)
        if uncaught is None or _led_to(uncaught, exits[-1]):
            note(exits[-1].code, error)

    stream.flush = flush  # type: ignore[method-assign]


def _exits(*generations: int) -> list[SystemExit]:
    """Return each SystemExit that exists, in generations of the garbage collector."""
    objects = (found for age in generations for found in gc.get_objects(generation=age))
    return [found for found in objects if issubclass(type(found), SystemExit)]


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
