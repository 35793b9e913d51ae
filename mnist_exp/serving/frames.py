"""The messages between front and worker, over local sockets.

A connection to one thread of a worker carries one request at a time and its answer. Each message
is a head of fixed length and the parts whose lengths the head gives. On one machine such a message
takes a tenth of the time of HTTP.

    request   lengths of id, headers and body; then id, headers (JSON or nothing), body
    reply     status, microseconds in run(), length of the body; then the body

The control connection of a worker carries single bytes: the worker is ready, a ping, its answer.
The worker ends when this connection closes.
"""

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

#: Key of the request's method among the headers; no header can have this name.
METHOD = ":method"
READY = b"r"
#: Byte for "ready, and `run` takes the request's headers".
READY_FOR_HEADERS = b"h"
PING = b"?"
PONG = b"!"
#: Exit code of a worker whose `run` hangs and cannot be ended; scripts hardly use this number.
RUN_HANGS_EXIT_CODE = 213

#: Seconds for which either side polls for the next message before it sleeps. Waking up on another
#: core takes longer than a small answer. Polling gives one connection with single digits half as
#: many more requests per second.
AWAKE_S = 300e-6

_REQUEST_HEAD = struct.Struct("<III")
REPLY_HEAD = struct.Struct("<HII")
#: Largest number of microseconds that fits into the head.
_LONGEST_US = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Request:
    """A scoring request; `headers` is a JSON object, or empty if the script takes no headers."""

    id: bytes
    headers: bytes
    body: bytes = field(repr=False)

    def packed(self) -> bytes:
        """Return the request as one message."""
        head = _REQUEST_HEAD.pack(len(self.id), len(self.headers), len(self.body))
        return b"".join((head, self.id, self.headers, self.body))


@dataclass(frozen=True, slots=True)
class Reply:
    """The container's answer: an HTTP status and a body of JSON."""

    status: int
    microseconds: int
    body: bytes = field(repr=False)


def read_request(stream: BinaryIO) -> Request | None:
    """Read the next request; return None when the front has closed the connection."""
    head = stream.read(_REQUEST_HEAD.size)
    if len(head) < _REQUEST_HEAD.size:
        return None
    of_id, of_headers, of_body = _REQUEST_HEAD.unpack(head)
    rest = stream.read(of_id + of_headers + of_body)
    if len(rest) < of_id + of_headers + of_body:
        return None
    start = of_id + of_headers
    return Request(rest[:of_id], rest[of_id:start], rest[start:])


def packed_reply(status: int, seconds: float, body: bytes) -> bytes:
    """Return a reply as one message."""
    microseconds = min(_LONGEST_US, int(seconds * 1e6))
    return REPLY_HEAD.pack(status, microseconds, len(body)) + body
