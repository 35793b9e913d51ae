"""One HTTP request at an endpoint, and its answer."""

import asyncio
from collections.abc import Callable

from mnist_exp.serving.container import script_headers
from mnist_exp.serving.frames import Head, Request
from mnist_exp.serving.http_answer import (
    JSON,
    Header,
    RefusalError,
    common_headers,
    new_id,
    packed_answer,
)
from mnist_exp.serving.http_body import Body
from mnist_exp.serving.http_head import HttpHead


class Exchange:
    """One HTTP request and its answer.

    Args:
        head: The request's first line and headers.
        body: The request's body, which may not have been received yet.
        on_access: Function that is called when the request has a valid key or token.
    """

    __slots__ = ("_answer", "_body", "grant_access", "head", "id")

    def __init__(self, head: HttpHead, body: Body, on_access: Callable[[], None]) -> None:
        self._body = body
        self.grant_access = on_access
        self.head = head
        self.id = new_id()
        self._answer: tuple[int, bytes, list[Header]] | None = None

    @property
    def is_read(self) -> bool:
        """Whether the whole body has been received."""
        return self._body.is_read

    def answer(self, status: int, body: bytes, *headers: Header) -> None:
        """Set the answer."""
        self._answer = status, body, [*headers, *common_headers(self.id, body)]

    def packed_answer(self, *, is_kept: bool) -> bytes:
        """Return the answer as bytes.

        Args:
            is_kept: Whether the connection stays open after the answer.
        """
        if self._answer is None:
            raise RuntimeError("the application has set no answer")
        return packed_answer(*self._answer, is_kept=is_kept, is_head=self.head.method == "HEAD")

    def refuse(self, error: RefusalError) -> None:
        """Set a refusal as the answer."""
        self.answer(error.status, error.body, JSON, *error.headers)

    async def body(self, limit_s: float) -> bytes | bytearray:
        """Return the request's body.

        Raises:
            RefusalError: The body is too large or invalid.
            TimeoutError: The body was not received within `limit_s` seconds.
            ConnectionError: The client has disconnected.
        """
        return await self._body.read(asyncio.get_running_loop().time() + limit_s)

    def hold_body(self) -> Callable[[], None]:
        """Count the body's memory at least until the returned function is called."""
        return self._body.hold()

    def request(self, body: bytes | bytearray, *, with_head: bool) -> Request:
        """Return the message for a worker.

        Args:
            body: The request's body.
            with_head: Whether the script needs the head of every request. The head of a request
                that is not a POST of JSON is always sent, because the worker reads such a request
                differently.
        """
        is_usual = self.head.headers.get(b"content-type") == JSON[1] and self.head.method == "POST"
        if is_usual and not with_head:
            return Request(self.id, b"", body)
        query = self.head.query.decode("latin-1")
        return Request(
            self.id, Head(self.head.method, query, script_headers(self.head)).packed(), body
        )
