"""Functions that hide the SDK's own output: warnings, log lines, progress dots and upload bars.

The SDK prints to `sys.stdout`, which all threads share. In a block of `quiet` or `captured`, the
text that a thread prints is sent to a destination for this thread only.
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


class _LineWriter(io.TextIOBase):
    """A stream that passes each complete line to a function."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._incomplete = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._incomplete = (self._incomplete + text).split("\n")
        for line in lines:
            self._line(line)
        return len(text)


class _ThreadStream:
    """A stream that writes to the destination of the current thread.

    If the main thread has no destination, the stream writes to `usual`, the original stream. Every
    other thread without a destination is a thread of the SDK that prints dots while it polls. The
    output of such a thread is dropped.
    """

    def __init__(self, usual: TextIO) -> None:
        self.usual = usual
        self.users = 0

    def write(self, text: str) -> int:
        """Write to the thread's destination."""
        return int(self._destination().write(text))

    def flush(self) -> None:
        """Flush the thread's destination."""
        self._destination().flush()

    def _destination(self) -> Any:
        if getattr(_destinations, "is_shown", False):
            return self.usual
        own = getattr(_destinations, "own", None)
        is_main = threading.current_thread() is threading.main_thread()
        return own or (self.usual if is_main else _LineWriter(lambda _: None))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.usual, name)


_destinations = threading.local()
_lock = threading.Lock()


def silence_loggers() -> None:
    """Silence the SDK's loggers.

    The SDK raises each error that it logs, and this program prints the raised error. The log lines
    would only repeat the error.
    """
    for name in _LOGGERS:
        if logging.getLogger(name).level != logging.CRITICAL:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        warnings.filterwarnings("ignore", module=name)
    # Some of the SDK's modules set a handler and a level for their own loggers.
    for name, logger in list(logging.root.manager.loggerDict.items()):
        # Set a level only if needed, because setting a level clears the cache of every logger.
        has_own = isinstance(logger, logging.Logger) and 0 < logger.level < logging.CRITICAL
        if has_own and name.startswith(_LOGGERS):
            logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def captured(line: Callable[[str], None]) -> Iterator[None]:
    """Call a function with each line that this thread prints in the block."""
    before = getattr(_destinations, "own", None)
    _destinations.own = _LineWriter(line)
    try:
        with _thread_stream("stdout"), _thread_stream("stderr"):
            yield
    finally:
        _destinations.own = before


@contextmanager
def quiet() -> Iterator[None]:
    """Drop everything that this thread prints in the block."""
    with captured(lambda _: None):
        yield


@contextmanager
def shown() -> Iterator[None]:
    """Print everything that this thread prints in the block, even in a block of `quiet`."""
    before = getattr(_destinations, "is_shown", False)
    _destinations.is_shown = True
    try:
        yield
    finally:
        _destinations.is_shown = before


@contextmanager
def _thread_stream(name: str) -> Iterator[None]:
    """Replace a stream of `sys` by a `_ThreadStream`, which all current blocks share."""
    with _lock:
        stream = getattr(sys, name)
        if not isinstance(stream, _ThreadStream):
            stream = _ThreadStream(stream)
            setattr(sys, name, stream)
        stream.users += 1
    try:
        yield
    finally:
        with _lock:
            stream.users -= 1
            # If other code has replaced the stream during the block, do not undo that replacement.
            if not stream.users and getattr(sys, name) is stream:
                setattr(sys, name, stream.usual)
