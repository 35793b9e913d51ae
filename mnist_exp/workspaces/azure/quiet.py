"""Keeps the SDK's own remarks out of our output: warnings of experiments, dots, upload bars.

The SDK prints to `sys.stdout`, for the process as a whole; here each thread's prints go where that
thread wants them.
"""

import io
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_LOGGERS = ("azure", "azureml", "mlflow", "msrest", "urllib3", "marshmallow", "msal")


class _Lines(io.TextIOBase):
    """Hands over whole lines."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._line(line)
        return len(text)


class _ByThread:
    """Writes where the current thread's prints go, and is `usual` otherwise.

    The main thread's go to `usual` unless it says otherwise; those of threads that the SDK starts
    (it prints dots while it polls) go nowhere.
    """

    def __init__(self, usual: TextIO) -> None:
        self.usual = usual
        self.users = 0

    def write(self, text: str) -> int:
        """Write."""
        return int(self._target().write(text))

    def flush(self) -> None:
        """Flush."""
        self._target().flush()

    def _target(self) -> Any:
        sink = getattr(_sinks, "sink", None)
        is_ours = threading.current_thread() is threading.main_thread()
        return sink or (self.usual if is_ours else _Lines(lambda _: None))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.usual, name)


_sinks = threading.local()
_lock = threading.Lock()


def silence_loggers() -> None:
    """Have the SDK's loggers say nothing: what goes wrong is raised, and told once."""
    for name in _LOGGERS:
        if logging.getLogger(name).level != logging.CRITICAL:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        warnings.filterwarnings("ignore", module=name)
    # Some of the SDK's modules give themselves a handler and a level of their own.
    for name, logger in list(logging.root.manager.loggerDict.items()):
        # Setting one clears what all loggers have cached: only where it makes a difference.
        has_own = isinstance(logger, logging.Logger) and 0 < logger.level < logging.CRITICAL
        if has_own and name.startswith(_LOGGERS):
            logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def captured(line: Callable[[str], None]) -> Iterator[None]:
    """Hand the lines that this thread prints in the block to `line`."""
    before = getattr(_sinks, "sink", None)
    _sinks.sink = _Lines(line)
    try:
        with _by_thread("stdout"), _by_thread("stderr"):
            yield
    finally:
        _sinks.sink = before


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what this thread prints in the block."""
    with captured(lambda _: None):
        yield


@contextmanager
def _by_thread(name: str) -> Iterator[None]:
    """Have a stream ask each thread in the block; blocks of several threads share one."""
    with _lock:
        stream = getattr(sys, name)
        if not isinstance(stream, _ByThread):
            stream = _ByThread(stream)
            setattr(sys, name, stream)
        stream.users += 1
    try:
        yield
    finally:
        with _lock:
            stream.users -= 1
            # Whoever put another one there meanwhile is left alone.
            if not stream.users and getattr(sys, name) is stream:
                setattr(sys, name, stream.usual)
