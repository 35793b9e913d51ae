"""Ctrl-C at safe points.

A KeyboardInterrupt in the middle of a database transaction leaves the store locked, and then the
interrupted job cannot be recorded. While a job is watched, signals are therefore only noted, and
the watching loop raises the interrupt.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """The signals by which the user has asked the command to stop."""

    def __init__(self) -> None:
        self._count = 0
        self._is_pending = False

    def note(self, number: int, frame: FrameType | None) -> None:
        """Note a signal; raise at the third one without waiting for a safe point."""
        self._count += 1
        self._is_pending = True
        if self._count > 2:
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt once for a noted signal; call this only at a safe point."""
        if self._is_pending:
            self._is_pending = False
            raise KeyboardInterrupt


@contextmanager
def noted_interrupts() -> Iterator[Interrupts]:
    """Note SIGINT, SIGTERM and SIGHUP while the block runs, if this is the main thread.

    A signal that is ignored stays ignored, such as SIGHUP under nohup.
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
