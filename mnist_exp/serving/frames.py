"""What front and worker say to each other, over local sockets.

A slot is a connection to one thread of a worker. It carries one request at a time and its answer,
each a fixed head and what it announces; on the same machine that costs a tenth of what HTTP does.

    request   lengths of id, headers and body; id, headers as JSON or nothing, body
    reply     status, microseconds in run(), length of the body; body

The control connection carries single bytes: the worker is ready, a sign of life is asked for and
given. Its closing is the worker's end.
"""

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

#: Among the headers the request's method, under a name that no header can have.
METHOD = ":method"
READY = b"r"
#: Ready, and `run` wants the request's headers.
READY_FOR_HEADERS = b"h"
PING = b"?"
PONG = b"!"
#: Exit code of a worker in which a `run` hangs that nothing could end; hardly any script's own.
HUNG = 213

#: Seconds for which either side looks for the other's message again and again before it sleeps.
#: To be woken on another core takes longer than a small answer: one connection, asking digit after
#: digit, gets half as many again.
AWAKE_S = 300e-6

_REQUEST_HEAD = struct.Struct("<III")
REPLY_HEAD = struct.Struct("<HII")
#: Microseconds that fit into the head.
_LONGEST_US = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Request:
    """A scoring request; `headers` is a JSON object, or empty for a script that takes none."""

    id: bytes
    headers: bytes
    body: bytes = field(repr=False)

    def packed(self) -> bytes:
        """Return it as it travels."""
        head = _REQUEST_HEAD.pack(len(self.id), len(self.headers), len(self.body))
        return b"".join((head, self.id, self.headers, self.body))


@dataclass(frozen=True, slots=True)
class Reply:
    """What the container answers: an HTTP status and a body of JSON."""

    status: int
    microseconds: int
    body: bytes = field(repr=False)


def read_request(stream: BinaryIO) -> Request | None:
    """Read the next request, None when the front has gone."""
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
    """Return a reply as it travels."""
    microseconds = min(_LONGEST_US, int(seconds * 1e6))
    return REPLY_HEAD.pack(status, microseconds, len(body)) + body
