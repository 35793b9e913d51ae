"""What the web server is not asked about by its options: the size and the slowness of headers."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["HEAD_LIMIT", "HEAD_TIMEOUT_S", "LimitedProtocol"]

#: Bytes of a request's first line and headers; uvicorn would take any number.
HEAD_LIMIT = 64 * 1024
#: Seconds in which they must have come; uvicorn would wait for ever.
HEAD_TIMEOUT_S = 30.0

_MESSAGE = b'{"message":"the headers must be at most %d bytes"}' % HEAD_LIMIT
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(_MESSAGE), _MESSAGE)
)


class LimitedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol with limits on a request's head."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._is_in_body = False
        # Whether the data at hand held the end of a request.
        self._is_between = False
        self._head = 0
        self._head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, not for ever."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take data, unless it is a head without end."""
        self._is_between = False
        super().data_received(data)
        if self._is_in_body or self._is_between:
            return
        self._head += len(data)
        if self._head > HEAD_LIMIT and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a caller that has ended its sending, then close; uvicorn would just close."""
        is_asked = self.cycle is not None and not self.cycle.response_complete
        if not is_asked or self.cycle.more_body:
            return False
        self.cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """Count the head of the next request."""
        if self._head_deadline is None:
            self._wait_for_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Count no more: what follows is the body."""
        self._is_in_body = True
        self._head_came()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Count again: what follows is the next request."""
        self._is_in_body = False
        self._is_between = True
        self._head = 0
        super().on_message_complete()

    def _wait_for_head(self) -> None:
        self._head_deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._give_up)

    def _head_came(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
