"""The messages that the front and a worker exchange over local sockets.

Each thread of a worker has a connection to the front and answers one request at a time. A message
begins with a head of fixed length, which contains the lengths of the parts after the head. The
exchange of such a message takes a tenth of the time that HTTP takes on the same machine.

    request   head: lengths of id, headers and body
              parts after the head: id, headers (JSON or empty), body
    reply     head: status, microseconds that run() took, length of the body
              part after the head: the body

Each worker also has a control connection. Its messages are single bytes: READY or READY_FOR_HEADERS
from the worker, PING from the front, and PONG as the answer to PING. The worker ends when the
control connection closes.
"""

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

#: Key for the request's HTTP method in the JSON of the headers. No HTTP header can have this name.
METHOD = ":method"
READY = b"r"
#: Sent in place of READY if the script's `run` takes the request's headers.
READY_FOR_HEADERS = b"h"
PING = b"?"
PONG = b"!"
#: Exit code of a worker that ends because a call of `run` hangs. Scripts rarely use this number.
RUN_HANGS_EXIT_CODE = 213

#: Seconds for which the front and a worker poll for the next message before they sleep. Polling
#: saves time: waking up a process takes longer than computing a small answer. With polling, a
#: client that sends one digit per request gets 50 % more answers per second.
AWAKE_S = 300e-6

_REQUEST_HEAD = struct.Struct("<III")
REPLY_HEAD = struct.Struct("<HII")
#: Maximum number of microseconds that fits into the head of a reply.
_LONGEST_US = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Request:
    """A scoring request. `headers` is a JSON object, or empty if the script takes no headers."""

    id: bytes
    headers: bytes
    body: bytes = field(repr=False)

    def packed(self) -> bytes:
        """Return the request as one message."""
        head = _REQUEST_HEAD.pack(len(self.id), len(self.headers), len(self.body))
        return b"".join((head, self.id, self.headers, self.body))


@dataclass(frozen=True, slots=True)
class Reply:
    """A worker's answer: HTTP status, microseconds that `run` took, and a body of JSON."""

    status: int
    microseconds: int
    body: bytes = field(repr=False)


def read_request(stream: BinaryIO) -> Request | None:
    """Return the next request, or None if the front has closed the connection."""
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
