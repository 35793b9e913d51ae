"""SIGTERM, which an evicted machine sends before it kills: end in order, between two steps."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether SIGTERM has come. A flag: to raise from the handler could hit any line."""

    is_set = False

    def receive(self, _signal: int, _frame: FrameType | None) -> None:
        """Notes that the signal has come."""
        self.is_set = True


@contextmanager
def stoppable() -> Iterator[StopRequest]:
    """Lends a flag that SIGTERM sets, in place of ending the process at once."""
    request = StopRequest()
    previous = signal.signal(signal.SIGTERM, request.receive)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, previous)
