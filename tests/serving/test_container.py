"""Requests that the front refuses in place of the container; tests/parity has more of them."""

import json

import pytest

from mnist_exp.serving.container import refusal
from mnist_exp.serving.http_head import HeadParser, HttpHead

LINE = b"GET /score HTTP/1.1\r\n"


def head(line: bytes = LINE, headers: bytes = b"") -> HttpHead:
    parsed = HeadParser().parse(bytearray(line + b"Host: x\r\n" + headers + b"\r\n"))
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (head(LINE.replace(b"score", b"score?" + b"a" * 4074)), None),
        (head(LINE.replace(b"score", b"score?" + b"a" * 4075)), 414),
        (head(LINE.replace(b"GET", b"DELETE").replace(b"score", b"score?" + b"a" * 4072)), 414),
        (head(headers=b"Expect: x\r\n"), 417),
        (head(headers=b"X: " + b"x" * 9000 + b"\r\n"), 431),
        (head(headers=b"X-Request-Id: " + b"x" * 101 + b"\r\n"), 431),
        (head(headers=b"x_request_id: " + b"x" * 101 + b"\r\n"), None),
        (head(), None),
    ],
)
def test_the_front_refuses_what_the_container_refuses(request_: HttpHead, status: int | None):
    reply = refusal(request_)
    assert (reply and reply.status) == status
    assert reply is None or "must" in json.loads(reply.body)["message"]
