"""Limits on the size of a request's head, and on the time until the head has arrived.

The head of a request is its first line and its headers. Uvicorn has no options for these limits.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mnist_exp.serving.exchange import JSON, common_headers, new_id

#: Maximum number of bytes in a request's first line and headers.
HEAD_LIMIT = 64 * 1024
#: Seconds within which the first line and the headers must arrive.
HEAD_TIMEOUT_S = 30.0


class LimitedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol for one HTTP connection, with limits on the head of each request."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._is_in_body = False
        # Whether a request ended in the data that was received last.
        self._is_between = False
        self._head = 0
        self._head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline for the head of the first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadline."""
        self._cancel_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Handle received data, and refuse a head that is too large."""
        self._is_between = False
        super().data_received(data)
        if self._is_in_body or self._is_between:
            return
        self._head += len(data)
        if self._head > HEAD_LIMIT and not self.transport.is_closing():
            message = f"the headers must be at most {HEAD_LIMIT} bytes"
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, message)

    def send_400_response(self, msg: str) -> None:
        """Answer a message that is not valid HTTP.

        Replace Uvicorn's answer, because its headers do not include `common_headers`.
        """
        self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection open until the request in progress is answered.

        A caller may close its sending side and still wait for the answer. Uvicorn itself would
        close the connection without an answer.
        """
        is_asked = self.cycle is not None and not self.cycle.response_complete
        if not is_asked or self.cycle.more_body:
            return False
        self.cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """Start the deadline for the head of the next request."""
        if self._head_deadline is None:
            self._wait_for_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop counting bytes, because the next bytes are the body."""
        self._is_in_body = True
        self._cancel_deadline()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Reset the count, because the next bytes are the head of the next request."""
        self._is_in_body = False
        self._is_between = True
        self._head = 0
        super().on_message_complete()

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Answer an incomplete or invalid request with an error, and close the connection."""
        body = orjson.dumps({"message": message})
        head = [JSON, *common_headers(new_id(), body), (b"connection", b"close")]
        lines = [b"HTTP/1.1 %d %b" % (status, status.phrase.encode())]
        lines += [b"%b: %b" % header for header in head]
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.transport.close()

    def _wait_for_head(self) -> None:
        self._head_deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._give_up)

    def _cancel_deadline(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
