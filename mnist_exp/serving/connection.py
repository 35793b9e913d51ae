"""The front's end of a connection to one thread of a worker."""

import asyncio
import time
from collections.abc import Callable
from typing import cast

from mnist_exp.serving.frames import AWAKE_S, REPLY_HEAD, Reply, Request


class WorkerLostError(Exception):
    """Two workers, one after the other, ended under a request."""


class Ticket:
    """A request on its way to an answer.

    Attributes:
        attempts: How many workers have had it.
        answer: The reply; cancelled when nobody waits for it any more.
    """

    __slots__ = ("answer", "attempts", "request")

    def __init__(self, request: Request, answer: "asyncio.Future[Reply]") -> None:
        self.request = request
        self.answer = answer
        self.attempts = 0


class Slot(asyncio.Protocol):
    """Carries one request at a time.

    Args:
        on_idle: Called with the slot when it can take the next request.
        on_lost: Called when the worker has gone, with what it had not answered.

    Attributes:
        is_cut: Whether the worker has gone and had not answered.
    """

    def __init__(
        self, on_idle: Callable[["Slot"], None], on_lost: Callable[["Slot", Ticket | None], None]
    ) -> None:
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._ticket: Ticket | None = None
        self._received = bytearray()
        self.is_cut = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready for a request."""
        self._transport = cast(asyncio.Transport, transport)
        self._on_idle(self)

    def ask(self, ticket: Ticket) -> None:
        """Send a request to the worker."""
        self._ticket = ticket
        ticket.attempts += 1
        if self._transport is not None:
            self._transport.write(ticket.request.packed())
            self._stay_awake(time.perf_counter() + AWAKE_S)

    def data_received(self, data: bytes) -> None:
        """Take what has come of the answer."""
        received = self._received
        received += data
        if len(received) < REPLY_HEAD.size:
            return
        status, microseconds, length = REPLY_HEAD.unpack_from(received)
        end = REPLY_HEAD.size + length
        if len(received) < end:
            return
        reply = Reply(status, microseconds, bytes(received[REPLY_HEAD.size : end]))
        received.clear()
        ticket, self._ticket = self._ticket, None
        if ticket is not None and not ticket.answer.done():
            ticket.answer.set_result(reply)
        self._on_idle(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand back what was not answered."""
        ticket, self._ticket = self._ticket, None
        self.is_cut = ticket is not None
        self._on_lost(self, ticket)

    def _stay_awake(self, until: float) -> None:
        """Keep the loop turning, for all connections, while an answer may come soon."""
        if self._ticket is not None and time.perf_counter() < until:
            asyncio.get_running_loop().call_soon(self._stay_awake, until)

    def close(self) -> None:
        """Let go of the worker."""
        if self._transport is not None:
            self._transport.abort()
