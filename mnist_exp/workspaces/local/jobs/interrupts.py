"""Delay Ctrl-C until a safe point of the program.

A KeyboardInterrupt in the middle of a database transaction would leave the store locked. The
command could then not record that the job was interrupted. While a command watches a job, signals
are therefore only noted. A safe point is a line of the watching loop at which no transaction is
open. At the next safe point, the loop calls `Interrupts.check`, which raises KeyboardInterrupt.

A command in another terminal cancels the job in the same way: it creates a file, the cancel
request, in the job's folder. `Interrupts.check` looks for this file.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """The signals that the user sent to cancel the command, and the requests of other commands.

    Args:
        request: The file that another command creates to cancel the job; None if there is none.
    """

    def __init__(self, request: Path | None = None) -> None:
        self._request = request
        self._count = 0
        self._is_pending = False

    def note(self, number: int, frame: FrameType | None) -> None:
        """Note a signal. At the third signal, raise KeyboardInterrupt immediately.

        The third signal does not wait for a safe point, because the loop may no longer respond.
        """
        self._count += 1
        self._is_pending = True
        if self._count > 2:
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt after a signal or a request. Call this only at a safe point."""
        if self._is_pending or self._take_request():
            self._is_pending = False
            raise KeyboardInterrupt

    def _take_request(self) -> bool:
        """Delete the cancel request, and return whether the request existed."""
        if self._request is None or not self._request.exists():
            return False
        self._request.unlink(missing_ok=True)
        return True


@contextmanager
def noted_interrupts(request: Path | None = None) -> Iterator[Interrupts]:
    """Note SIGINT, SIGTERM and SIGHUP in a `with` block. Note no signals outside the main thread.

    If the process already ignores one of these signals, the process still ignores the signal in
    the block. For example, nohup makes a process ignore SIGHUP.

    Args:
        request: The cancel request of the job. An old file is deleted.
    """
    if request is not None:
        # A killed command may have left the file.
        request.unlink(missing_ok=True)
    interrupts = Interrupts(request)
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
