"""Delay Ctrl-C until a safe point of the program.

A KeyboardInterrupt in the middle of a database transaction would leave the store locked. The
command could then not record that the job was interrupted. A job is therefore watched in a thread
of its own, because Python raises KeyboardInterrupt only in the main thread. The main thread waits,
and notes each interrupt. A safe point is a line of the watching loop at which no transaction is
open. At the next safe point, the loop calls `Interrupts.check`, which raises KeyboardInterrupt.

No signal handler is necessary. A notebook therefore cancels a job with its stop button, and keeps
its own handlers.

A command in another terminal cancels the job in the same way: it creates a file, the cancel
request, in the job's folder. `Interrupts.check` looks for this file.
"""

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from pathlib import Path
from threading import Thread
from typing import TypeVar

_Result = TypeVar("_Result")


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
        self._is_pending = self._is_pending or self._take_request()
        return self._is_pending

    def _take_request(self) -> bool:
        """Delete the cancel request, and return whether the request existed."""
        if self._request is None or not self._request.exists():
            return False
        self._request.unlink(missing_ok=True)
        return True


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
    interrupts, future = Interrupts(request), Future[_Result]()

    def run() -> None:
        try:
            future.set_result(watch(interrupts))
        except BaseException as error:
            future.set_exception(error)

    # A notebook finds the cell of the output in the context. After a third interrupt, nothing waits
    # for the thread, so the thread must not keep the process alive.
    Thread(target=copy_context().run, args=(run,), daemon=True).start()
    while True:
        try:
            return future.result()
        except KeyboardInterrupt:
            if future.done():
                return future.result()
            interrupts.note()
