"""One HTTP connection.

The connection reads one request at a time and answers it before the next request.
"""

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
    """A connection of a client.

    The connection handles one request at a time. If the client reads too slowly, the next request
    waits until the write buffer is almost empty. Later pipelined requests wait in two places.
    `Stream.received` contains the bytes of at most two reads. The TCP buffers contain the rest.

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
        """Serve the connection in a task.

        If the limit of connections is reached, close a connection without a request with a valid
        key. If there is no such connection, refuse this connection.
        """
        if self._connections.add(self):
            self._task = self._loop.create_task(self._serve())
        else:
            self._send_refusal(RefusalError(503, "too many connections: try again later"))
            self._stream.close()

    @property
    def unsent(self) -> int:
        """Number of bytes of the answer in the write buffer; 0 if the client reads fast enough."""
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
            _logger.exception(
                "the front closed a connection because of an error in mnist-exp; report the "
                "following traceback to the developers of mnist-exp"
            )
            self._stream.abort()
        try:
            await self._stream.end(LINGER_S)
        finally:
            self._connections.remove(self)

    async def _answer_next(self, deadline: float) -> bool:
        """Answer the next request. Return whether the connection stays open.

        Args:
            deadline: Latest time, on the event loop's clock, at which the first byte of the request
                may arrive.
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
        # If the body has not fully arrived, close the connection. A client without a key could
        # otherwise send an endless body.
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
        """Wait until the write buffer is almost empty.

        Return immediately if the buffer is below its limit.
        """
        if self.unsent:
            self._connections.hold_answer(self)
            await self._stream.sent(self._loop.time() + ANSWER_TIMEOUT_S)
            self._connections.release_answer(self)

    def _send_refusal(self, error: RefusalError) -> None:
        """Send an error answer although no request was read.

        The head of the request is invalid, or there are too many connections.
        """
        headers = [JSON, *error.headers, *common_headers(new_id(), error.body)]
        packed = packed_answer(error.status, error.body, headers, is_kept=False, is_head=False)
        self._stream.write(packed)
