"""Delay Ctrl-C until a safe point of the program.

A KeyboardInterrupt in the middle of a database transaction would leave the store locked. The
command could then not record that the job was interrupted. A job is therefore watched in a thread
of its own, because Python raises KeyboardInterrupt only in the main thread. The main thread waits,
and notes each interrupt. A safe point is a line of the watching loop at which no transaction is
open. At the next safe point, the loop calls `Interrupts.check`, which raises KeyboardInterrupt.

The command line handles its signals with `handle_signal`, which raises nothing while a job is
watched. Two signals at the same time, as from a terminal that closes, are therefore one interrupt.
A notebook keeps its own handlers. Its stop button raises KeyboardInterrupt in the main thread,
which `with_noted_interrupts` notes.

A command in another terminal cancels the job in the same way: it creates a file, the cancel
request, in the job's folder. `Interrupts.check` looks for this file.
"""

import signal
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from pathlib import Path
from threading import Lock, Thread
from types import FrameType
from typing import TypeVar

_Result = TypeVar("_Result")
#: Seconds after which the main thread looks again whether the watching thread has ended.
_WAIT_S = 0.2


class Interrupts:
    """The interrupts of the user, and the cancel requests of other commands.

    Args:
        request: The file that another command creates to cancel the job; None if there is none.
    """

    def __init__(self, request: Path | None = None) -> None:
        self._request = request
        self._count = 0
        self._is_pending = False

    def note(self) -> None:
        """Note an interrupt. At the third interrupt, raise KeyboardInterrupt immediately.

        The third interrupt does not wait for a safe point, because the loop may no longer respond.
        """
        self._count += 1
        self._is_pending = True
        if self._count > 2:
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt after an interrupt or a request. Call this at a safe point."""
        if self.are_pending:
            self._is_pending = False
            raise KeyboardInterrupt

    @property
    def are_pending(self) -> bool:
        """Whether the next call of `check` raises KeyboardInterrupt."""
        # Never set the flag to its old value, because `note` may set it at the same time.
        if self._take_request():
            self._is_pending = True
        return self._is_pending

    def _take_request(self) -> bool:
        """Delete the cancel request, and return whether the request existed."""
        if self._request is None or not self._request.exists():
            return False
        self._request.unlink(missing_ok=True)
        return True


#: The interrupts of the job that the main thread waits for; empty if it waits for no job.
_waiting: list[Interrupts] = []


def handle_signals() -> None:
    """Cancel the job at SIGINT, SIGTERM and SIGHUP. An ignored signal stays ignored (`nohup`)."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handle_signal)


def handle_signal(_number: int, _frame: FrameType | None) -> None:
    """Note an interrupt while the main thread waits for a job; else raise KeyboardInterrupt."""
    if not _waiting:
        raise KeyboardInterrupt
    _waiting[-1].note()


def with_noted_interrupts(
    watch: Callable[[Interrupts], _Result], request: Path | None = None
) -> _Result:
    """Call a function in a thread, note each interrupt of this thread, and return the result.

    Args:
        watch: The function. It calls `Interrupts.check` at its safe points.
        request: The cancel request of the job. An old file is deleted.
    """
    if request is not None:
        # A killed command may have left the file.
        request.unlink(missing_ok=True)
    interrupts, outcomes, wake = Interrupts(request), list[Future[_Result]](), Lock()

    def run() -> None:
        outcome = Future[_Result]()
        try:
            outcome.set_result(watch(interrupts))
        except BaseException as error:
            outcome.set_exception(error)
        outcomes.append(outcome)
        wake.release()

    # A notebook finds the cell of the output in the context. After a third interrupt, nothing waits
    # for the thread, so the thread must not keep the process alive.
    thread = Thread(target=copy_context().run, args=(run,), daemon=True)
    wake.acquire()
    _waiting.append(interrupts)
    try:
        _wait(interrupts, thread.start)
        # Do not wait for a future, because a KeyboardInterrupt could leave the future locked. If
        # KeyboardInterrupt follows `acquire` immediately, the list still ends the loop.
        while not outcomes:
            _wait(interrupts, partial(wake.acquire, timeout=_WAIT_S))
    finally:
        _waiting.remove(interrupts)
    return outcomes[0].result()


def _wait(interrupts: Interrupts, wait: Callable[[], object]) -> None:
    """Call a function that waits, and note an interrupt meanwhile."""
    try:
        wait()
    except KeyboardInterrupt:
        interrupts.note()
