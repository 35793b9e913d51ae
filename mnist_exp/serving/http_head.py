"""The first line and the headers of an HTTP request.

The parser is llhttp, which Node.js uses. This module adds rules of RFC 9112 that llhttp leaves to
the server. A server or proxy that ignores these rules lets a client hide a request in another one.
https://www.rfc-editor.org/rfc/rfc9112
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url

from mnist_exp.serving.http_answer import Header, RefusalError
from mnist_exp.serving.http_limits import HEAD_LIMIT, HEADERS_LIMIT

_END = b"\r\n\r\n"
_LINE_END = b"\r\n"
#: Headers that a request must not contain twice. Otherwise two programs could understand the same
#: request differently, because they use different values.
_SINGLE = (
    *(b"host", b"authorization", b"content-type"),
    *(b"azureml-model-deployment", b"transfer-encoding"),
)
#: A host and a port (RFC 3986, section 3.2). RFC 3986 also allows a comma in the name of a host. A
#: comma is refused here, because some proxies join the values of two headers with a comma.
_HOST = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})*(?::[0-9]*)?"
    rb"|\[[0-9A-Za-z.:%_~-]+\](?::[0-9]*)?"
)


@dataclass(frozen=True, slots=True)
class HttpHead:
    """The first line and the headers of a request.

    Attributes:
        target: The address as the client sent it.
        headers: The headers, with names in lower case. If a header was sent twice, only its last
            value is kept.
        all_headers: Every header that was sent, in the order of the request.
        length: Number of bytes in the body; None if the body is sent in chunks.
        is_kept: Whether the client keeps the connection open for another request.
        expects_continue: Whether the client waits for `100 Continue` before it sends the body.
    """

    method: str
    target: bytes
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    all_headers: list[Header]
    length: int | None
    is_kept: bool
    expects_continue: bool

    @property
    def request_line_size(self) -> int:
        """Number of bytes in the request line, without its line break."""
        return len(self.method) + len(self.target) + len("  HTTP/1.1")

    @property
    def longest_header(self) -> int:
        """Number of bytes in the longest header, with its line break."""
        sizes = (len(name) + len(value) for name, value in self.all_headers)
        return max(sizes, default=0) + len(": \r\n")


class HeadParser:
    """The parser of one request's head."""

    def __init__(self) -> None:
        self._parser = HttpRequestParser(self)
        self._url = b""
        self._headers: list[Header] = []
        self._is_complete = False
        self._is_kept = False
        # Number of bytes that were passed to llhttp.
        self._parsed = 0

    def parse(self, received: bytearray) -> HttpHead | None:
        """Return the head, and delete its bytes; return None if more bytes must arrive.

        Args:
            received: All bytes that were received since the last request.

        Raises:
            RefusalError: The head is too large or invalid.
        """
        if not self._parsed and received.startswith(_LINE_END):
            # Ignore one empty line before a request (RFC 9112, section 2.2).
            del received[: len(_LINE_END)]
        end = received.find(_END, max(0, self._parsed - len(_END) + 1))
        size = len(received) if end < 0 else end + len(_END)
        if size > HEAD_LIMIT:
            raise RefusalError(431, f"the headers must be at most {HEAD_LIMIT} bytes")
        self._feed(received[self._parsed : size])
        self._parsed = size
        if end < 0:
            return None
        del received[:size]
        return self._head()

    # httptools calls the following methods.

    def on_url(self, url: bytes) -> None:
        """Store a part of the request's address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header without the blanks around its value (RFC 9110, section 5.5)."""
        self._headers.append((name.lower(), value.strip(b" \t")))
        if len(self._headers) > HEADERS_LIMIT:
            raise RefusalError(431, f"the request must have at most {HEADERS_LIMIT} headers")

    def on_headers_complete(self) -> None:
        """Note that the head is complete, and whether the connection stays open."""
        self._is_complete = True
        # If the request has no body, llhttp forgets the header `Connection` after this call.
        self._is_kept = self._parser.should_keep_alive()

    def _feed(self, data: bytes | bytearray) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            # Ignore the header `Upgrade`, because the front speaks only HTTP/1 (RFC 9110, 7.8).
            pass
        except HttpParserError as error:
            if isinstance(error.__context__, RefusalError):
                raise error.__context__ from None
            raise _invalid(f"it is not valid HTTP ({error})") from None

    def _head(self) -> HttpHead:
        if not self._is_complete:
            raise _invalid("it is not valid HTTP")
        headers = dict(self._headers)
        version = self._parser.get_http_version()
        is_current = version == "1.1"
        if not is_current and version != "1.0":
            raise _invalid("use HTTP/1.1")
        self._check_headers(headers, is_current)
        encoding = headers.get(b"transfer-encoding")
        path, query = self._target()
        return HttpHead(
            method=self._parser.get_method().decode("ascii"),
            target=self._url,
            path=path,
            query=query,
            headers=headers,
            all_headers=self._headers,
            # llhttp has checked that this header contains only digits.
            length=int(headers.get(b"content-length", b"0")) if encoding is None else None,
            is_kept=is_current and self._is_kept,
            expects_continue=is_current and headers.get(b"expect", b"").lower() == b"100-continue",
        )

    def _check_headers(self, headers: dict[bytes, bytes], is_current: bool) -> None:
        if len(headers) < len(self._headers):
            names = [name for name, _ in self._headers]
            for name in _SINGLE:
                if names.count(name) > 1:
                    raise _invalid(f"send the header {name.decode()} only once")
        if is_current and b"host" not in headers:
            raise _invalid("send the header host")
        if not _HOST.fullmatch(headers.get(b"host", b"")):
            raise _invalid("the header host must contain one host, and may contain a port")
        encoding = headers.get(b"transfer-encoding")
        if encoding is None:
            return
        if not is_current or encoding.lower() != b"chunked" or b"content-length" in headers:
            raise _invalid(
                "of transfer-encoding, only chunked is supported, without content-length"
            )

    def _target(self) -> tuple[str, bytes]:
        """Return the path and the query of the request's address."""
        try:
            url = parse_url(self._url)
        except HttpParserError:
            raise _invalid("the address is invalid") from None
        path = (url.path or b"/").decode("latin-1")
        return unquote(path) if "%" in path else path, url.query or b""


def _invalid(why: str) -> RefusalError:
    return RefusalError(400, f"the request is invalid: {why}")
