"""One HTTP connection: reads requests one after the other, and sends the answer to each of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from mnist_exp.serving.exchange import Exchange
from mnist_exp.serving.http_answer import (
    JSON,
    RefusalError,
    common_headers,
    new_id,
    packed_answer,
)
from mnist_exp.serving.http_body import Body
from mnist_exp.serving.http_head import HeadParser, HttpHead
from mnist_exp.serving.http_limits import (
    ANSWER_TIMEOUT_S,
    HEAD_TIMEOUT_S,
    KEEP_ALIVE_S,
    LINGER_S,
    Connections,
)
from mnist_exp.serving.http_stream import Stream

_logger = logging.getLogger(__name__)


class HttpConnection:
    """A connection of a caller.

    The connection reads the next request only after the caller has read the last answer. Other
    pipelined requests wait in the caller's send buffer.

    Args:
        stream: The bytes of the connection.
        application: Function that sets the answer of a request.
        connections: All connections of the endpoint.
    """

    def __init__(
        self,
        stream: Stream,
        application: Callable[[Exchange], Awaitable[None]],
        connections: Connections,
    ) -> None:
        self._stream = stream
        self._application = application
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._is_idle = True

    def start(self) -> None:
        """Serve the connection in a task. Refuse the connection if there are too many."""
        if self._connections.add(self):
            self._task = self._loop.create_task(self._serve())
        else:
            self._send_refusal(RefusalError(503, "too many connections: try again later"))
            self._stream.close()

    @property
    def unsent(self) -> int:
        """Number of bytes of an answer that wait because the caller does not read."""
        return self._stream.unsent

    def abort(self) -> None:
        """Close the connection immediately."""
        self._stream.abort()

    def close_if_idle(self) -> None:
        """Close the connection unless a request is in progress."""
        if self._is_idle and not self._stream.received:
            self._stream.close()

    async def _serve(self) -> None:
        deadline = self._loop.time() + HEAD_TIMEOUT_S
        try:
            while await self._answer_next(deadline):
                deadline = self._loop.time() + KEEP_ALIVE_S
        except ConnectionError:
            pass
        except TimeoutError:
            self._stream.abort()
        except Exception:
            _logger.exception("a connection is closed because of an error of the front")
            self._stream.abort()
        try:
            await self._stream.end(LINGER_S)
        finally:
            self._connections.remove(self)

    async def _answer_next(self, deadline: float) -> bool:
        """Answer the next request. Return whether the connection stays open.

        Args:
            deadline: Time until which the first byte of the request must arrive.
        """
        try:
            head = await self._read_head(deadline)
        except RefusalError as error:
            self._send_refusal(error)
            return False
        self._is_idle = False
        body = Body(self._stream, head, self._connections.count_body)
        exchange = Exchange(head, body, lambda: self._connections.begin_request(self))
        try:
            await self._application(exchange)
        finally:
            body.release()
        # Do not read the rest of a body. A caller without a key could send an endless body.
        is_kept = head.is_kept and body.skip() and not self._connections.is_closing
        self._stream.write(exchange.packed_answer(is_kept=is_kept))
        await self._wait_until_read()
        self._connections.end_request(self)
        self._is_idle = True
        return is_kept

    async def _read_head(self, deadline: float) -> HttpHead:
        stream, parser = self._stream, HeadParser()
        if stream.received:
            # Give other connections a turn between two pipelined requests.
            await asyncio.sleep(0)
        else:
            await stream.more(deadline)
        deadline = self._loop.time() + HEAD_TIMEOUT_S
        while (head := parser.parse(stream.received)) is None:
            await stream.more(deadline)
        return head

    async def _wait_until_read(self) -> None:
        """Wait until the caller has read most of the answer."""
        if self.unsent:
            self._connections.hold_answer(self)
            await self._stream.sent(self._loop.time() + ANSWER_TIMEOUT_S)
            self._connections.release_answer(self)

    def _send_refusal(self, error: RefusalError) -> None:
        """Answer an invalid request. Such a request has no `Exchange`."""
        headers = [JSON, *error.headers, *common_headers(new_id(), error.body)]
        packed = packed_answer(error.status, error.body, headers, is_kept=False, is_head=False)
        self._stream.write(packed)
