"""The worker's end of a connection, and the time limits of a `run`.

A thread cannot be stopped from outside. When a `run` takes too long, its thread gets an exception,
which is raised at its next line of Python, and another thread serves the connection. If the `run`
still hangs after a longer time, the whole worker ends and is replaced. Azure ML's server has both
limits: https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
"""

import ctypes
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import orjson

from mnist_exp.serving.frames import (
    AWAKE_S,
    RUN_HANGS_EXIT_CODE,
    Request,
    packed_reply,
    read_request,
)

_logger = logging.getLogger(__name__)

#: Number of checks during the shorter of SCORING_TIMEOUT_MS and WORKER_TIMEOUT.
_CHECKS = 10


class _ScoringTimeoutError(BaseException):
    """Raised inside a cancelled `run`; a script's handler of Exception must not catch it."""


class WorkerConnection:
    """A connection to the front, and the thread that serves the connection.

    Args:
        connection: The socket.
        answer: Returns status and body of the answer to a request.
    """

    def __init__(
        self, connection: socket.socket, answer: Callable[[Request], tuple[int, bytes]]
    ) -> None:
        self._socket = connection
        self._stream = connection.makefile("rb")
        self._answer = answer
        self._changing = threading.Lock()
        # The thread that serves, and how many threads have been replaced before it.
        self._thread = threading.current_thread()
        self._turn = 0
        self._began: float | None = None
        # The threads whose `run` was cancelled, each with the time at which that `run` began.
        self._cancelled: list[tuple[threading.Thread, float]] = []

    def serve(self) -> None:
        """Answer requests until the front disconnects or another thread replaces this one."""
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
        """Seconds since the current `run` began; 0 if no `run` is in progress."""
        began = self._began
        return 0.0 if began is None else time.perf_counter() - began

    def longest_s(self) -> float:
        """Return the seconds since the oldest `run` began, including cancelled ones that hang."""
        self._cancelled = [
            (thread, began) for thread, began in self._cancelled if thread.is_alive()
        ]
        now = time.perf_counter()
        return max([self.running_s, *(now - began for _, began in self._cancelled)])

    def cancel_run(self, after_ms: int) -> None:
        """Cancel a `run` that has taken `after_ms`: answer in its place, and start a new thread."""
        body = orjson.dumps({"message": f"Scoring timeout after {after_ms} ms"})
        with self._changing:
            if self.running_s * 1000 < after_ms:
                return
            stuck, began = self._thread, self._began or time.perf_counter()
            self._cancelled.append((stuck, began))
            self._send(500, body)
            self._turn += 1
            # The thread cannot end while we hold this lock, so its number is still its own.
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
    """Cancel each `run` that takes too long, and end the process if a `run` hangs. Never return."""
    while True:
        time.sleep(min(scoring_timeout_ms / 1000, worker_timeout_s) / _CHECKS)
        for connection in connections:
            if connection.longest_s() >= worker_timeout_s:
                why = "run() has hung for %g s (WORKER_TIMEOUT): the worker ends"
                _logger.error(why, worker_timeout_s)
                os._exit(RUN_HANGS_EXIT_CODE)
            if connection.running_s * 1000 >= scoring_timeout_ms:
                connection.cancel_run(scoring_timeout_ms)


def _stay_awake(connection: socket.socket) -> None:
    """Poll for the next request; return when it has arrived, or after AWAKE_S."""
    until = time.perf_counter() + AWAKE_S
    while time.perf_counter() < until:
        # BlockingIOError means no request yet; read_request() meets any other error again.
        with suppress(OSError):
            connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK)
            return
        # Let other threads and processes use this core first.
        os.sched_yield()
