"""One HTTP request at an endpoint, and its answer."""

import asyncio
import json
from collections.abc import Callable
from urllib.parse import parse_qsl

import orjson

from mnist_exp.serving.frames import METHOD, Request
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

    Attributes:
        headers: The request's headers, with names in lower case. If a header was sent twice, only
            its last value is kept.
    """

    __slots__ = ("_answer", "_body", "grant_access", "head", "headers", "id")

    def __init__(self, head: HttpHead, body: Body, on_access: Callable[[], None]) -> None:
        self._body = body
        self.grant_access = on_access
        self.head = head
        self.headers = head.headers
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

    async def body(self, limit_s: float) -> bytes:
        """Return the request's body.

        The body of a GET request is its query as JSON, as in Azure ML's inference server.

        Raises:
            RefusalError: The body is too large or invalid.
            TimeoutError: The body was not received within `limit_s` seconds.
            ConnectionError: The caller has disconnected.
        """
        body = await self._body.read(asyncio.get_running_loop().time() + limit_s)
        if self.head.method == "GET":
            return _query(self.head.query.decode("latin-1"))
        return body

    def request(self, body: bytes, *, with_headers: bool) -> Request:
        """Return the message for a worker.

        Args:
            body: The request's body.
            with_headers: Whether the message contains the headers, which only some scripts take.
        """
        if not with_headers:
            return Request(self.id, b"", body)
        # Write each name as Azure ML's inference server writes it, for example Content-Type.
        headers = {METHOD: self.head.method} | {
            name.decode("latin-1").title(): value.decode("latin-1")
            for name, value in self.headers.items()
            # Do not pass the endpoint's key to the script.
            if name != b"authorization"
        }
        return Request(self.id, json.dumps(headers).encode(), body)


def _query(text: str) -> bytes:
    """Return a query as a JSON object.

    A value that is valid JSON is copied as JSON. A value that is not valid JSON becomes text. If a
    name occurs several times, its value in the object is a list.
    """
    values: dict[str, list[object]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        values.setdefault(name, []).append(_json_or_text(value))
    return orjson.dumps({name: all_ if len(all_) > 1 else all_[0] for name, all_ in values.items()})


def _json_or_text(value: str) -> object:
    try:
        orjson.loads(value)
    except ValueError:
        return value
    # Copy the text of the value. If the value were parsed and written again, long numbers would
    # lose digits.
    return orjson.Fragment(value)
