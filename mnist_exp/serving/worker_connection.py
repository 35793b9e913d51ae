"""A worker's connection to the front, the endpoint's HTTP server process."""

import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from mnist_exp.serving.frames import AWAKE_S, Reply, Request, read_request

_logger = logging.getLogger(__name__)

#: How many times per WORKER_TIMEOUT to check whether a call of `run` hangs.
_CHECKS = 10
#: Exit code of a worker that ends because a call of `run` hangs. Scripts rarely use this number.
_RUN_HANGS_EXIT_CODE = 213


class WorkerConnection:
    """The connection to the front.

    Args:
        connection: The socket.
        answer: Function that returns the reply to a request.
    """

    def __init__(self, connection: socket.socket, answer: Callable[[Request], Reply]) -> None:
        self._socket = connection
        self._stream = connection.makefile("rb")
        self._answer = answer
        self._began: float | None = None

    def serve(self) -> None:
        """Answer requests until the front disconnects."""
        with suppress(ConnectionError):
            while (request := read_request(self._stream)) is not None:
                self._began = time.perf_counter()
                reply = self._answer(request)
                self._began = None
                self._socket.sendall(reply.packed())
                _stay_awake(self._socket)

    def end_if_hanging(self, timeout_s: float) -> None:
        """End the process when the answer to a request takes longer than `timeout_s`.

        This function never returns. Run it in a thread of its own.
        """
        while True:
            time.sleep(timeout_s / _CHECKS)
            began = self._began
            if began is not None and time.perf_counter() - began >= timeout_s:
                why = "run() has hung for %g s (WORKER_TIMEOUT); the worker ends and is replaced"
                _logger.error(why, timeout_s)
                os._exit(_RUN_HANGS_EXIT_CODE)


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
