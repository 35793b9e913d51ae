"""The bytes of an HTTP answer."""

import uuid
from collections.abc import Iterable
from http import HTTPStatus

import orjson

from mnist_exp import __version__

_SERVER = (b"x-ms-server-version", f"mnist-exp/{__version__}".encode())
JSON = (b"content-type", b"application/json")

Header = tuple[bytes, bytes]


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

    @property
    def body(self) -> bytes:
        """The answer's body."""
        return orjson.dumps({"message": str(self)})


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


def packed_answer(
    status: int, body: bytes, headers: Iterable[Header], *, is_kept: bool, is_head: bool
) -> bytes:
    """Return an answer as bytes.

    Args:
        status: The HTTP status.
        body: The body.
        headers: All headers except `Connection`.
        is_kept: Whether the connection stays open.
        is_head: Whether the request's method was HEAD, whose answer has no body.

    Raises:
        ValueError: A header contains a line break.
    """
    lines = [_status_line(status), *(b"%b: %b" % header for header in headers)]
    if not is_kept:
        lines.append(b"connection: close")
    packed = b"\r\n".join(lines)
    if packed.count(b"\n") != len(lines) - 1 or packed.count(b"\r") != len(lines) - 1:
        raise ValueError("a header of the answer contains a line break")
    return b"".join((packed, b"\r\n\r\n", b"" if is_head else body))


def _status_line(status: int) -> bytes:
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d " % status


_STATUS_LINES = {one.value: b"HTTP/1.1 %d %b" % (one, one.phrase.encode()) for one in HTTPStatus}
