"""A connection to the front, on the worker's side, and the time limits for calls of `run`.

Python cannot stop a thread from another thread. If a call of `run` takes too long, this module sets
an exception in the thread. Python raises the exception when the thread executes its next line of
Python code. A new thread then serves the connection. If the call still hangs after WORKER_TIMEOUT,
the worker process ends and the front replaces the worker. Azure ML's inference server has the same
two time limits, SCORING_TIMEOUT_MS and WORKER_TIMEOUT:
https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
"""

import ctypes
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from mnist_exp.serving.frames import (
    AWAKE_S,
    RUN_HANGS_EXIT_CODE,
    Request,
    packed_reply,
    read_request,
)
from mnist_exp.serving.result_json import dumps

_logger = logging.getLogger(__name__)

#: The interval between two checks of the running calls is the shorter time limit divided by this
#: number.
_CHECKS = 10


class _ScoringTimeoutError(BaseException):
    """Exception that cancels a call of `run`.

    The base class is BaseException, so that `except Exception` in a script does not catch
    this exception.
    """


class WorkerConnection:
    """A connection to the front, and the thread that serves the connection.

    Args:
        connection: The socket.
        answer: Function that returns the status and the body of the answer to a request.
    """

    def __init__(
        self, connection: socket.socket, answer: Callable[[Request], tuple[int, bytes]]
    ) -> None:
        self._socket = connection
        self._stream = connection.makefile("rb")
        self._answer = answer
        self._changing = threading.Lock()
        # The thread that serves the connection, and the number of earlier threads that served the
        # connection and were replaced.
        self._thread = threading.current_thread()
        self._turn = 0
        self._began: float | None = None
        # The threads in which a call of `run` was cancelled, and the time when each call began.
        self._cancelled: list[tuple[threading.Thread, float]] = []

    def serve(self) -> None:
        """Answer requests until the front disconnects or a new thread replaces this thread."""
        turn, self._thread = self._turn, threading.current_thread()
        with suppress(_ScoringTimeoutError):
            while (request := read_request(self._stream)) is not None:
                self._began = time.perf_counter()
                status, body = self._answer(request)
                if not self._reply(turn, status, body):
                    return
                _stay_awake(self._socket)

    @property
    def running_s(self) -> float:
        """Seconds since the current call of `run` began; 0 if there is no call in progress."""
        began = self._began
        return 0.0 if began is None else time.perf_counter() - began

    def longest_s(self) -> float:
        """Return the seconds since the oldest call of `run` began, including cancelled calls."""
        self._cancelled = [
            (thread, began) for thread, began in self._cancelled if thread.is_alive()
        ]
        now = time.perf_counter()
        return max([self.running_s, *(now - began for _, began in self._cancelled)])

    def cancel_run(self, after_ms: int) -> None:
        """Cancel the current call of `run` if it has taken `after_ms` milliseconds.

        Answer the request with an error, and start a new thread for the connection.
        """
        body = dumps({"message": f"Scoring timeout after {after_ms} ms"})
        with self._changing:
            if self.running_s * 1000 < after_ms:
                return
            stuck, began = self._thread, self._began or time.perf_counter()
            self._cancelled.append((stuck, began))
            self._send(500, body)
            self._turn += 1
            # Python may reuse the id of a thread that has ended. The stuck thread cannot
            # have ended, because this thread must acquire the lock before its end.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(stuck.ident or 0), ctypes.py_object(_ScoringTimeoutError)
            )
        _logger.error("run() was cancelled after %d ms (SCORING_TIMEOUT_MS)", after_ms)
        threading.Thread(target=self.serve, daemon=True).start()

    def _reply(self, turn: int, status: int, body: bytes) -> bool:
        with self._changing:
            return turn == self._turn and self._send(status, body)

    def _send(self, status: int, body: bytes) -> bool:
        seconds, self._began = self.running_s, None
        try:
            self._socket.sendall(packed_reply(status, seconds, body))
        except OSError:
            return False
        return True


def enforce_time_limits(
    connections: Sequence[WorkerConnection], scoring_timeout_ms: int, worker_timeout_s: float
) -> None:
    """Cancel calls of `run` that take too long, and end the process if a call hangs.

    This function never returns.
    """
    while True:
        time.sleep(min(scoring_timeout_ms / 1000, worker_timeout_s) / _CHECKS)
        for connection in connections:
            if connection.longest_s() >= worker_timeout_s:
                why = "run() has hung for %g s (WORKER_TIMEOUT); the worker ends and is replaced"
                _logger.error(why, worker_timeout_s)
                os._exit(RUN_HANGS_EXIT_CODE)
            if connection.running_s * 1000 >= scoring_timeout_ms:
                connection.cancel_run(scoring_timeout_ms)


def _stay_awake(connection: socket.socket) -> None:
    """Poll until the next request has arrived, but for at most AWAKE_S seconds."""
    until = time.perf_counter() + AWAKE_S
    while time.perf_counter() < until:
        # BlockingIOError means that no request has arrived yet. Ignore all other errors, because
        # read_request() will get the same error and will handle it.
        with suppress(OSError):
            connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK)
            return
        # Let other threads and processes use this core between two polls.
        os.sched_yield()
