"""A connection to a worker, on the front's side."""

import asyncio
import time
from collections.abc import Callable
from typing import cast

from mnist_exp.serving.frames import AWAKE_S, Reply, Request, unpacked_reply


class WorkerLostError(Exception):
    """Two workers received a request, one after the other, and each ended before it answered."""


class PendingRequest:
    """A request that has no answer yet.

    Attributes:
        attempts: Number of workers to which the request has been sent.
        answer: Future of the reply. The future is cancelled if the caller stops waiting.
    """

    __slots__ = ("answer", "attempts", "request")

    def __init__(self, request: Request, answer: "asyncio.Future[Reply]") -> None:
        self.request = request
        self.answer = answer
        self.attempts = 0


class Connection(asyncio.Protocol):
    """A connection to a worker. The worker answers one request at a time.

    Args:
        on_idle: Function that is called when the connection can take the next request.
        on_lost: Function that is called when the worker has ended. Argument: the request that the
            worker has not answered, or None.
    """

    def __init__(
        self,
        on_idle: Callable[["Connection"], None],
        on_lost: Callable[[PendingRequest | None], None],
    ) -> None:
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._pending: PendingRequest | None = None
        self._received = bytearray()
        self._closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Call `on_idle`, because the connection can take the first request."""
        self._transport = cast(asyncio.Transport, transport)
        self._on_idle(self)

    def send(self, pending: PendingRequest) -> None:
        """Send a request to the worker."""
        self._pending = pending
        pending.attempts += 1
        if self._transport is not None:
            self._transport.write(pending.request.packed())
            self._stay_awake(time.perf_counter() + AWAKE_S)

    def data_received(self, data: bytes) -> None:
        """Collect the bytes of the answer. Set the request's result when the answer is complete."""
        self._received += data
        reply = unpacked_reply(self._received)
        if reply is None:
            return
        self._received.clear()
        pending, self._pending = self._pending, None
        if pending is not None and not pending.answer.done():
            pending.answer.set_result(reply)
        self._on_idle(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Call `on_lost` with the request that the worker has not answered."""
        pending, self._pending = self._pending, None
        self._closed.set()
        self._on_lost(pending)

    def _stay_awake(self, until: float) -> None:
        """Keep the event loop awake until the answer arrives, at most until the time `until`."""
        if self._pending is not None and time.perf_counter() < until:
            asyncio.get_running_loop().call_soon(self._stay_awake, until)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the event loop has reported that the connection is closed."""
        if self._transport is not None:
            await self._closed.wait()
