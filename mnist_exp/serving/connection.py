"""A connection to a worker, on the front's side."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from mnist_exp.serving.frames import AWAKE_S, Reply, Request, take_reply


class WorkerLostError(Exception):
    """Two workers received a request, one after the other, and each ended before it answered."""


class PendingRequest:
    """A request in the pool.

    Args:
        request: The request.
        on_end: Function that is called when the pool no longer stores the request.

    Attributes:
        attempts: Number of workers that have begun to answer the request.
        answer: Future of the reply.
    """

    __slots__ = ("_on_end", "answer", "attempts", "request")

    def __init__(self, request: Request, on_end: Callable[[], None]) -> None:
        self.request = request
        self._on_end = on_end
        self.answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.attempts = 0

    def expire(self) -> None:
        """Let the caller stop waiting. A worker may still be answering the request."""
        if not self.answer.done():
            self.answer.set_exception(TimeoutError())

    def end(self, outcome: Reply | Exception) -> None:
        """Set the answer, unless the request has expired. Call `on_end`."""
        if not self.answer.done():
            if isinstance(outcome, Exception):
                self.answer.set_exception(outcome)
            else:
                self.answer.set_result(outcome)
        self._on_end()


class Connection(asyncio.Protocol):
    """A connection to a worker. The worker answers one request at a time, in order.

    Args:
        capacity: Maximum number of requests without an answer. If the number is above 1, the next
            request is already at the worker when the worker has sent an answer.
        on_free: Function that is called when the connection can take one more request.
        on_lost: Function that is called when the worker has ended. Argument: the requests that the
            worker has not answered. The worker has begun only the first of them.
    """

    def __init__(
        self,
        capacity: int,
        on_free: Callable[["Connection"], None],
        on_lost: Callable[[Sequence[PendingRequest]], None],
    ) -> None:
        self._capacity = capacity
        self._on_free = on_free
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._sent: deque[PendingRequest] = deque()
        self._received = bytearray()
        self._closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Call `on_free` for each request that the connection can take."""
        self._transport = cast(asyncio.Transport, transport)
        for _ in range(self._capacity):
            self._on_free(self)

    def send(self, pending: PendingRequest) -> None:
        """Send a request to the worker."""
        self._sent.append(pending)
        if self._transport is not None:
            self._transport.writelines(pending.request.packed())
        if len(self._sent) == 1:
            self._await_answer(pending)

    def data_received(self, data: bytes) -> None:
        """Collect the bytes of the answers. Set the result of each request that is answered."""
        self._received += data
        while (reply := take_reply(self._received)) is not None:
            self._sent.popleft().end(reply)
            if self._sent:
                self._await_answer(self._sent[0])
            self._on_free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Call `on_lost` with the requests that the worker has not answered."""
        unanswered = list(self._sent)
        self._sent.clear()
        self._closed.set()
        self._on_lost(unanswered)

    def _await_answer(self, first: PendingRequest) -> None:
        first.attempts += 1
        self._stay_awake(first, time.perf_counter() + AWAKE_S)

    def _stay_awake(self, first: PendingRequest, until: float) -> None:
        """Keep the event loop awake until the answer arrives, at most until the time `until`."""
        if self._sent and self._sent[0] is first and time.perf_counter() < until:
            asyncio.get_running_loop().call_soon(self._stay_awake, first, until)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the event loop has reported that the connection is closed."""
        if self._transport is not None:
            await self._closed.wait()
