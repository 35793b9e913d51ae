"""Ctrl-C at safe points.

A KeyboardInterrupt in the middle of a database transaction leaves the store locked, and then
nothing can be recorded of what was interrupted. While jobs are watched, SIGINT and SIGTERM are
therefore noted, and raised where the watching loop asks for it.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Whether the user has asked to stop."""

    def __init__(self) -> None:
        self._count = 0
        self._is_pending = False

    def note(self, number: int, frame: FrameType | None) -> None:
        """Note a signal; a third one does not wait for a safe point any more."""
        self._count += 1
        self._is_pending = True
        if self._count > 2:
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt, once for a signal: called where nothing is half done."""
        if self._is_pending:
            self._is_pending = False
            raise KeyboardInterrupt


@contextmanager
def noted_interrupts() -> Iterator[Interrupts]:
    """Note SIGINT, SIGTERM and SIGHUP while the block runs; only the main thread can.

    A signal that is ignored, as SIGHUP is under nohup, stays so.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = {
        number: signal.signal(number, interrupts.note)
        for number in _SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
