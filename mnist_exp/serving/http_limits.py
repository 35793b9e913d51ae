"""Limits for clients of an endpoint: how much memory of the front they can use, and how long.

A client without a key can reach every limit of a connection. Only a client with a key can reach the
limits of bodies, and the limit of large answers that nobody reads. `docs/endpoints.md` says how
much memory these limits add up to.
"""

import asyncio
import time
from typing import Protocol

from mnist_exp.serving.http_answer import RefusalError

#: Maximum number of connections to an endpoint.
CONNECTIONS_LIMIT = 500
#: Maximum number of bytes in a request's first line and headers.
HEAD_LIMIT = 64 * 1024
#: Maximum number of headers of a request, as in gunicorn, which Azure ML's inference server uses.
HEADERS_LIMIT = 100
#: Maximum number of bytes in a request's body: 10 MB, as for a managed online endpoint.
#: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
PAYLOAD_LIMIT = 10 * 1024 * 1024
#: Maximum number of bytes that one read takes from a connection. If no task waits for the bytes,
#: the front stores the bytes of at most two reads.
READ_SIZE = 64 * 1024
#: Maximum number of bytes of trailers and of chunk extensions in the body of a request.
CHUNK_OVERHEAD_LIMIT = 16 * 1024
#: Maximum number of bytes in all bodies that the front stores.
BODIES_LIMIT = 128 * 1024 * 1024
#: Maximum number of bytes in all answers that their clients have not read.
UNREAD_LIMIT = 128 * 1024 * 1024

#: Seconds within which the first line and the headers must arrive.
HEAD_TIMEOUT_S = 30.0
#: Seconds after which the front closes a connection without requests.
KEEP_ALIVE_S = 60.0
#: Seconds within which a client must read an answer.
ANSWER_TIMEOUT_S = 60.0
#: Seconds for which the front discards the rest of a refused request. If the front closed the
#: connection immediately, the client could lose the answer.
LINGER_S = 5.0
#: At the end, the front checks at this interval, in seconds, whether all requests are answered.
_CLOSE_PERIOD_S = 0.05


class Limited(Protocol):
    """The methods of a connection that `Connections` calls."""

    @property
    def unsent(self) -> int:
        """Number of bytes of the answer in the write buffer; 0 if the client reads fast enough."""

    def abort(self) -> None:
        """Close the connection immediately."""

    def close_if_idle(self) -> None:
        """Close the connection unless a request is in progress."""


class Connections:
    """The open connections of an endpoint, and the memory that they use together.

    If there are too many connections, a new connection replaces the oldest connection that never
    sent a valid key. If there is no such connection, the new connection replaces the connection
    that has been idle for the longest time. While a request with a valid key is in progress, its
    connection is never replaced.
    """

    def __init__(self) -> None:
        self.is_closing = False
        # Dicts keep the order of insertion: the oldest connection is the first key.
        self._unauthenticated: dict[Limited, None] = {}
        self._idle: dict[Limited, None] = {}
        self._busy: dict[Limited, None] = {}
        self._bodies_size = 0
        self._unread: dict[Limited, None] = {}

    def __len__(self) -> int:
        return len(self._unauthenticated) + len(self._idle) + len(self._busy)

    def add(self, connection: Limited) -> bool:
        """Add a new connection. Return False if there are too many connections."""
        while len(self) >= CONNECTIONS_LIMIT:
            replaced = next(iter(self._unauthenticated or self._idle), None)
            if replaced is None:
                return False
            self.remove(replaced)
            replaced.abort()
        self._unauthenticated[connection] = None
        return True

    def remove(self, connection: Limited) -> None:
        """Remove a connection that is closed."""
        self._unauthenticated.pop(connection, None)
        self._idle.pop(connection, None)
        self._busy.pop(connection, None)
        self._unread.pop(connection, None)

    async def close(self, timeout_s: float) -> None:
        """Answer the requests in progress, and close all connections.

        Args:
            timeout_s: Number of seconds after which connections are closed even if their requests
                are not answered.
        """
        self.is_closing = True
        deadline = time.monotonic() + timeout_s
        self._close_idle()
        await asyncio.sleep(_CLOSE_PERIOD_S)
        while (self._idle or self._busy) and time.monotonic() < deadline:
            self._close_idle()
            await asyncio.sleep(_CLOSE_PERIOD_S)
        for connection in self._all():
            connection.abort()

    def _close_idle(self) -> None:
        for connection in self._all():
            connection.close_if_idle()

    def _all(self) -> list[Limited]:
        return [*self._unauthenticated, *self._idle, *self._busy]

    def begin_request(self, connection: Limited) -> None:
        """Keep a connection that has sent a valid key until its request is answered."""
        self._unauthenticated.pop(connection, None)
        self._idle.pop(connection, None)
        self._busy[connection] = None

    def end_request(self, connection: Limited) -> None:
        """Count a connection as idle, because its request is answered."""
        if connection in self._busy:
            del self._busy[connection]
            self._idle[connection] = None

    def count_body(self, size: int) -> None:
        """Add a number of bytes to the size of all bodies. The number is negative for a release.

        Raises:
            RefusalError: All bodies together are too large. The bytes are added nevertheless.
        """
        self._bodies_size += size
        if size > 0 and self._bodies_size > BODIES_LIMIT:
            raise RefusalError(
                429,
                f"too many large requests: all bodies together may have {BODIES_LIMIT} bytes; "
                "send the request again later",
            )

    def hold_answer(self, connection: Limited) -> None:
        """Count the unsent bytes of an answer until `release_answer`.

        If the answers together are too large, close the connections with the oldest answers. The
        connection with the newest answer stays open.
        """
        self._unread[connection] = None
        while len(self._unread) > 1 and sum(one.unsent for one in self._unread) > UNREAD_LIMIT:
            oldest = next(iter(self._unread))
            self.remove(oldest)
            oldest.abort()

    def release_answer(self, connection: Limited) -> None:
        """Stop counting a connection's answer."""
        self._unread.pop(connection, None)
