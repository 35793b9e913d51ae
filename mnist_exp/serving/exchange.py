"""One HTTP request at an endpoint, and its answer."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from mnist_exp import __version__
from mnist_exp.serving.frames import METHOD, Request

#: Maximum number of bytes in a request's body: 10 MB, as for a managed online endpoint.
#: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
PAYLOAD_LIMIT = 10 * 1024 * 1024
_SERVER = (b"x-ms-server-version", f"mnist-exp/{__version__}".encode())
JSON = (b"content-type", b"application/json")

Header = tuple[bytes, bytes]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def new_id() -> bytes:
    """Return a new request id, for the headers of the answer and for the log."""
    return str(uuid.uuid4()).encode()


def common_headers(request: bytes, body: bytes) -> list[Header]:
    """Return the headers that every answer has.

    Args:
        request: The id of the request. Log lines about the request contain the same id.
        body: The body of the answer.
    """
    return [
        (b"x-request-id", request),
        (b"x-ms-request-id", request),
        _SERVER,
        (b"content-length", str(len(body)).encode()),
    ]


class RefusalError(Exception):
    """An answer whose status is not 200, raised to stop the handling of a request.

    Args:
        status: The HTTP status.
        message: The message in the answer's body.
        headers: Headers in addition to `common_headers`.
    """

    def __init__(self, status: int, message: str, headers: Iterable[Header] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = list(headers)


class Exchange:
    """One HTTP request and its answer.

    Attributes:
        headers: The request's headers, with names in lower case. If a header was sent twice, only
            its last value is kept.
        is_read: Whether the whole body has been received.
    """

    __slots__ = ("headers", "id", "is_read", "receive", "scope", "send")

    def __init__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.id = new_id()
        self.is_read = False

    async def answer(self, status: int, body: bytes, *headers: Header) -> None:
        """Send an answer."""
        all_headers = [*headers, *common_headers(self.id, body)]
        await self.send({"type": "http.response.start", "status": status, "headers": all_headers})
        await self.send({"type": "http.response.body", "body": body})

    async def refuse(self, error: RefusalError) -> None:
        """Send a refusal."""
        body = orjson.dumps({"message": str(error)})
        await self.answer(error.status, body, JSON, *error.headers)

    async def body(self, limit_s: float) -> bytes:
        """Return the request's body.

        The body of a GET request is its query as JSON, as in Azure ML's inference server.

        Raises:
            RefusalError: The body is larger than PAYLOAD_LIMIT.
            TimeoutError: The body was not received within `limit_s` seconds.
            ConnectionError: The caller has disconnected.
        """
        if self.scope["method"] == "GET":
            self.is_read = True
            return _query(self.scope["query_string"].decode("latin-1"))
        length = self.headers.get(b"content-length", b"0")
        # The HTTP parser has checked that this header contains only digits.
        if int(length) > PAYLOAD_LIMIT:
            raise _too_large()
        async with asyncio.timeout(limit_s):
            message = await self.receive()
            body = _chunk(message)
            if message.get("more_body"):
                body = await self._rest(body)
        self.is_read = True
        return body

    async def _rest(self, start: bytes) -> bytes:
        parts, more = bytearray(start), True
        while more:
            message = await self.receive()
            parts += _chunk(message)
            if len(parts) > PAYLOAD_LIMIT:
                raise _too_large()
            more = message.get("more_body", False)
        return bytes(parts)

    def request(self, body: bytes, *, with_headers: bool) -> Request:
        """Return the message for a worker.

        Args:
            body: The request's body.
            with_headers: Whether the message contains the headers, which only some scripts take.
        """
        if not with_headers:
            return Request(self.id, b"", body)
        # Write each name as Azure ML's inference server writes it, for example Content-Type.
        headers = {METHOD: self.scope["method"]} | {
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


def _chunk(message: Mapping[str, Any]) -> bytes:
    if message["type"] == "http.disconnect":
        raise ConnectionError
    chunk: bytes = message.get("body", b"")
    return chunk


def _too_large() -> RefusalError:
    return RefusalError(413, f"the body must be at most {PAYLOAD_LIMIT} bytes")
