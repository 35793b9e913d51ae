"""Keeps the SDK's own output out of ours: warnings about experiments, dots, upload bars.

The SDK prints to `sys.stdout`, which all threads share. Inside `quiet` and `captured` each thread's
prints go to a destination of its own.
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

    Without a destination, the main thread writes to `usual`. Other threads are the SDK's own,
    which print dots while they poll; their output is dropped.
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
        own = getattr(_destinations, "own", None)
        is_main = threading.current_thread() is threading.main_thread()
        return own or (self.usual if is_main else _LineWriter(lambda _: None))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.usual, name)


_destinations = threading.local()
_lock = threading.Lock()


def silence_loggers() -> None:
    """Silence the SDK's loggers. Errors are raised as well, and we print those once."""
    for name in _LOGGERS:
        if logging.getLogger(name).level != logging.CRITICAL:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        warnings.filterwarnings("ignore", module=name)
    # Some of the SDK's modules give their own loggers a handler and a level.
    for name, logger in list(logging.root.manager.loggerDict.items()):
        # Setting a level clears the cache of every logger, so set it only where needed.
        has_own = isinstance(logger, logging.Logger) and 0 < logger.level < logging.CRITICAL
        if has_own and name.startswith(_LOGGERS):
            logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def captured(line: Callable[[str], None]) -> Iterator[None]:
    """Pass each line that this thread prints in the block to a function."""
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
def _thread_stream(name: str) -> Iterator[None]:
    """Replace a stream of `sys` by a `_ThreadStream` that all blocks at the time share."""
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
            # Someone may have replaced the stream since. Then the replacement stays.
            if not stream.users and getattr(sys, name) is stream:
                setattr(sys, name, stream.usual)
