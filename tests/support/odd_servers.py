"""Servers that a command may find in place of Azure: web pages, proxies, wrong certificates."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = b"<html><body>no such page</body></html>"
#: The answer of a web server that knows no such address.
NOT_FOUND = (
    b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n" % len(PAGE)
) + PAGE
#: The answer of a server that is overloaded.
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#: The answer of a server that receives too many requests. Azure's SDK repeats a request after the
#: given number of seconds.
TOO_MANY_REQUESTS = (
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0.001\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)
#: The answer of a proxy that wants a password.
PASSWORD_REQUIRED = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


@contextmanager
def text_server(answer: bytes) -> Iterator[str]:
    """Give every request the same answer. Yield host and port."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    with _listening(serve) as port:
        yield f"127.0.0.1:{port}"


@contextmanager
def tls_server(chain: Path) -> Iterator[str]:
    """Make TLS connections with a certificate. Yield the address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True):
            pass

    with _listening(serve) as port:
        yield f"https://127.0.0.1:{port}"


def closed_port() -> int:
    """Return a port on which no program listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
