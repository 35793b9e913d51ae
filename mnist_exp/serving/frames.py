"""The messages that the front and a worker exchange over local sockets.

A worker has a connection to the front and answers one request at a time. A message begins with the
lengths of its parts. Over HTTP, the exchange of a message would take ten times as long.

    request   lengths of the parts
              parts: id, head (JSON or empty), body
    reply     status, microseconds that run() took, lengths of the parts
              parts: headers (JSON or empty), body

Each worker also has a control connection. Its messages are single bytes: READY or READY_FOR_HEADS
from the worker, PING from the front, and PONG as the answer to PING. The worker ends when the
control connection closes.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

READY = b"r"
#: Sent in place of READY if the script needs the head of every request.
READY_FOR_HEADS = b"h"
PING = b"?"
PONG = b"!"

#: Maximum number of bytes in the body of a reply. The front stores the whole body.
REPLY_LIMIT = 128 * 1024 * 1024
#: Seconds for which the front and a worker poll for the next message before they sleep. Polling
#: saves time: waking up a process takes longer than computing a small answer. With polling, a
#: client that sends one digit per request gets 50 % more answers per second.
AWAKE_S = 300e-6

_REQUEST_START = struct.Struct("<III")
_REPLY_START = struct.Struct("<HIII")
#: Maximum number of microseconds that fits into a reply.
_LONGEST_US = 2**32 - 1


class Head(NamedTuple):
    """Method, query and headers of an HTTP request.

    The names of headers are written as in Azure ML's inference server, for example `Content-Type`.
    """

    method: str
    query: str
    headers: Mapping[str, str]

    def packed(self) -> bytes:
        """Return the head as a part of a message."""
        return json.dumps(self).encode()


#: The head of a request whose message contains no head.
_USUAL_HEAD = Head("POST", "", {"Content-Type": "application/json"})


@dataclass(frozen=True, slots=True)
class Request:
    """A scoring request.

    Attributes:
        packed_head: The head as JSON. This part is empty if the request is a POST of JSON and the
            script does not need the head.
    """

    id: bytes
    packed_head: bytes
    body: bytes | bytearray = field(repr=False)

    @property
    def head(self) -> Head:
        """The request's method, query and headers."""
        return Head(*json.loads(self.packed_head)) if self.packed_head else _USUAL_HEAD

    def packed(self) -> Sequence[bytes | bytearray]:
        """Return the parts of the message. The body, which may be large, is not copied."""
        lengths = _REQUEST_START.pack(len(self.id), len(self.packed_head), len(self.body))
        return b"".join((lengths, self.id, self.packed_head)), self.body


@dataclass(frozen=True, slots=True)
class Reply:
    """A worker's answer.

    Attributes:
        status: The HTTP status.
        microseconds: The time that `run` took.
        packed_headers: The headers as JSON. This part is empty if the body is the result of `run`
            as JSON.
        body: The body of the answer.
    """

    status: int
    microseconds: int
    packed_headers: bytes
    body: bytes = field(repr=False)

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """Names and values of the headers."""
        return [(name, value) for name, value in json.loads(self.packed_headers or b"[]")]

    def packed(self) -> bytes:
        """Return the reply as one message."""
        start = _REPLY_START.pack(
            self.status,
            min(_LONGEST_US, self.microseconds),
            len(self.packed_headers),
            len(self.body),
        )
        return b"".join((start, self.packed_headers, self.body))


def take_reply(received: bytearray) -> Reply | None:
    """Return the first reply, and delete its bytes; return None if more bytes must arrive."""
    if len(received) < _REPLY_START.size:
        return None
    status, microseconds, of_headers, of_body = _REPLY_START.unpack_from(received)
    body = _REPLY_START.size + of_headers
    if len(received) < body + of_body:
        return None
    with memoryview(received) as view:
        headers = bytes(view[_REPLY_START.size : body])
        reply = Reply(status, microseconds, headers, bytes(view[body : body + of_body]))
    del received[: body + of_body]
    return reply


def read_request(stream: BinaryIO) -> Request | None:
    """Return the next request, or None if the front has closed the connection."""
    lengths = stream.read(_REQUEST_START.size)
    if len(lengths) < _REQUEST_START.size:
        return None
    of_id, of_head, of_body = _REQUEST_START.unpack(lengths)
    # Read the body separately, because a slice would copy a large body.
    start, body = stream.read(of_id + of_head), stream.read(of_body)
    if len(start) < of_id + of_head or len(body) < of_body:
        return None
    return Request(start[:of_id], start[of_id:], body)
