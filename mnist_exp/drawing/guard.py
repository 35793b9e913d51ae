"""The guard of the page's server, which refuses every request that does not come from the page.

The server listens on 127.0.0.1 only. Programs of this machine, and web pages in the user's browser,
can still send requests to it. The guard therefore checks four things:

- The host of the request is this server. Otherwise a web page whose name resolves to 127.0.0.1
  could read the answers: https://en.wikipedia.org/wiki/DNS_rebinding
- The origin of a POST is this server. Browsers send the origin with each POST.
- The request has the cookie of the page. The cookie is set when the printed address is opened.
- The body of a POST is JSON, and not too large. A form of another page cannot send JSON.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

#: Maximum number of bytes of the body of a request.
MAX_BODY = 2**20
#: Headers of every answer. No page may show our page in a frame, and our page loads nothing from
#: other servers.
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

_Scope = MutableMapping[str, Any]
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]


class Guard:
    """An ASGI application that passes the requests of the page to another application.

    Args:
        app: The application that answers the requests of the page.
        port: The port on which the server listens.
        used: Function that is called for each request of the page.
    """

    def __init__(self, app: _App, port: int, used: Callable[[], None]) -> None:
        self._app = app
        self._used = used
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        # A cookie is sent to all ports of a host, so the name tells two pages apart.
        self._cookie_name = f"mnist_exp_page_{port}"
        self._cookie = secrets.token_urlsafe(32)
        #: The one-time token in the printed address; None after its use.
        self.token: str | None = secrets.token_urlsafe(32)

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        has_token = self._takes_token(scope, headers)
        fault = self._fault(scope["method"], headers, has_token=has_token)
        if fault is None:
            self._used()

        async def send_guarded(message: _Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.update(_HEADERS)
                if has_token:
                    answer.append(
                        "set-cookie",
                        f"{self._cookie_name}={self._cookie}; HttpOnly; SameSite=Strict; Path=/",
                    )
            await send(message)

        answer: _App = self._app if fault is None else PlainTextResponse(fault[1] + "\n", fault[0])
        await answer(scope, receive, send_guarded)

    def _takes_token(self, scope: _Scope, headers: Headers) -> bool:
        """Return whether a request has the one-time token, and forget the token."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if self.token is None or scope["method"] != "GET" or self._wrong_host(headers):
            return False
        if len(given) != 1 or not secrets.compare_digest(given[0].encode(), self.token.encode()):
            return False
        self.token = None
        return True

    def _fault(self, method: str, headers: Headers, *, has_token: bool) -> tuple[int, str] | None:
        """Return the status and the text of a refusal; None for a request of the page."""
        if self._wrong_host(headers):
            return 403, "the host must be 127.0.0.1 or localhost, with the port of this page"
        if not has_token and not self._has_cookie(headers.getlist("cookie")):
            return 403, (
                "open the address that mnist-exp printed; each address works once, "
                "and in one browser"
            )
        return _post_fault(headers) if method == "POST" else None

    def _wrong_host(self, headers: Headers) -> bool:
        hosts = headers.getlist("host")
        return len(hosts) != 1 or hosts[0] not in self._hosts

    def _has_cookie(self, cookies: Iterable[str]) -> bool:
        for text in cookies:
            try:
                found = SimpleCookie(text).get(self._cookie_name)
            except CookieError:
                continue
            if found and secrets.compare_digest(found.value.encode(), self._cookie.encode()):
                return True
        return False


def _post_fault(headers: Headers) -> tuple[int, str] | None:
    if headers.getlist("origin") != [f"http://{headers['host']}"]:
        return 403, "the origin must be this page"
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return 415, "the content type must be application/json"
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY:
        return 413, f"the body must have at most {MAX_BODY} bytes"
    return None
