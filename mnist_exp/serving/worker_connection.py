"""A worker's end of a slot, and what becomes of a `run` that takes too long.

A thread cannot be stopped. One whose `run` is given up gets an exception, which reaches it with
the next line of Python, and another thread serves the slot in its place. A worker in which one
hangs for longer than that is ended as a whole, and replaced. Azure ML's server does both:
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

import orjson

from mnist_exp.serving.frames import AWAKE_S, HUNG, Request, packed_reply, read_request

_logger = logging.getLogger(__name__)

#: Of SCORING_TIMEOUT_MS and WORKER_TIMEOUT, the shares of it between two looks.
_LOOKS = 10


class _ScoringTimeoutError(BaseException):
    """Raised inside a `run` that was given up; no handler of Exception may swallow it."""


class Lane:
    """A slot, and the thread that serves it.

    Args:
        slot: The connection to the front.
        answer: Answers a request with a status and a body.
    """

    def __init__(self, slot: socket.socket, answer: Callable[[Request], tuple[int, bytes]]) -> None:
        self._slot = slot
        self._stream = slot.makefile("rb")
        self._answer = answer
        self._changing = threading.Lock()
        # Who serves: a thread, and which of those that served one after the other.
        self._thread = threading.current_thread()
        self._turn = 0
        self._began: float | None = None
        # Those that were given up, with when their `run` began.
        self._given_up: list[tuple[threading.Thread, float]] = []

    def serve(self) -> None:
        """Answer requests until the front has gone, or this thread has been given up."""
        turn, self._thread = self._turn, threading.current_thread()
        with suppress(_ScoringTimeoutError):
            while (request := read_request(self._stream)) is not None:
                self._began = time.perf_counter()
                status, body = self._answer(request)
                if not self._reply(turn, status, body):
                    return
                _stay_awake(self._slot)

    @property
    def running_s(self) -> float:
        """Seconds that `run` has taken so far; 0 when none runs."""
        began = self._began
        return 0.0 if began is None else time.perf_counter() - began

    def longest_s(self) -> float:
        """Return the seconds of the `run` that has taken longest; those given up count too."""
        self._given_up = [(thread, began) for thread, began in self._given_up if thread.is_alive()]
        now = time.perf_counter()
        return max([self.running_s, *(now - began for _, began in self._given_up)])

    def give_up(self, after_ms: int) -> None:
        """Answer in place of a `run` that has taken so long, and have another thread serve."""
        body = orjson.dumps({"message": f"Scoring timeout after {after_ms} ms"})
        with self._changing:
            if self.running_s * 1000 < after_ms:
                return
            stuck, began = self._thread, self._began or time.perf_counter()
            self._given_up.append((stuck, began))
            self._send(500, body)
            self._turn += 1
            # As long as this lock is held its thread cannot end, and its number is no other's.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(stuck.ident or 0), ctypes.py_object(_ScoringTimeoutError)
            )
        _logger.error("run() was given up after %d ms (SCORING_TIMEOUT_MS)", after_ms)
        threading.Thread(target=self.serve, daemon=True).start()

    def _reply(self, turn: int, status: int, body: bytes) -> bool:
        with self._changing:
            return turn == self._turn and self._send(status, body)

    def _send(self, status: int, body: bytes) -> bool:
        seconds, self._began = self.running_s, None
        try:
            self._slot.sendall(packed_reply(status, seconds, body))
        except OSError:
            return False
        return True


def watch_lanes(lanes: Sequence[Lane], scoring_timeout_ms: int, worker_timeout_s: float) -> None:
    """Give up what takes too long; end the process when that is of no avail. Never returns."""
    while True:
        time.sleep(min(scoring_timeout_ms / 1000, worker_timeout_s) / _LOOKS)
        for lane in lanes:
            if lane.longest_s() >= worker_timeout_s:
                why = "run() has hung for %g s (WORKER_TIMEOUT): the worker ends"
                _logger.error(why, worker_timeout_s)
                os._exit(HUNG)
            if lane.running_s * 1000 >= scoring_timeout_ms:
                lane.give_up(scoring_timeout_ms)


def _stay_awake(slot: socket.socket) -> None:
    """Return when the next request has come, or not soon."""
    until = time.perf_counter() + AWAKE_S
    while time.perf_counter() < until:
        # BlockingIOError: nothing yet; any other is met again when the request is read.
        with suppress(OSError):
            slot.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK)
            return
        # Whoever has work on this core goes first.
        os.sched_yield()
