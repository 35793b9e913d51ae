"""A load generator. Each connection repeats two steps: send a request, and wait for the answer.

The load generator prints one JSON object: the key `took` lists the seconds of each request, and the
key `seconds` is the total time. The code uses plain sockets, because a client library would need as
much time as the measured server.
"""

import json
import socket
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

_END = b"\r\n\r\n"


def main(arguments: list[str]) -> None:
    uri, key_file, body_file, connections, seconds = arguments
    parts = urlsplit(uri)
    message = _message(parts.path, Path(key_file), Path(body_file).read_bytes())
    took: list[float] = []
    began = time.perf_counter()
    address = (parts.hostname or "", parts.port or 80)
    threads = [
        threading.Thread(target=_call, args=[address, message, began + float(seconds), took])
        for _ in range(int(connections))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"took": took, "seconds": time.perf_counter() - began}))


def _message(path: str, key_file: Path, body: bytes) -> bytes:
    # Every user of the machine can read the command line. Therefore the key is read from a file.
    keys = json.loads(key_file.read_text(encoding="utf-8"))
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Authorization: Bearer {keys['primary']}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _call(address: tuple[str, int], message: bytes, until: float, took: list[float]) -> None:
    connection = None
    while (began := time.perf_counter()) < until:
        # The time of a request includes the time to open a connection. If a server closes its
        # connections, clients must open a new connection for each request.
        connection = connection or _connected(address)
        connection.sendall(message)
        is_kept = _read_answer(connection)
        took.append(time.perf_counter() - began)
        if not is_kept:
            connection.close()
            connection = None


def _connected(address: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(address)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _read_answer(connection: socket.socket) -> bool:
    """Read an answer, and return whether the connection stays open."""
    received = b""
    while _END not in received:
        received += _more(connection)
    head, _, body = received.partition(_END)
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"the server answered {head[:80]!r} {body[:200]!r}")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += _more(connection)
    return b"connection: close" not in head.lower()


def _more(connection: socket.socket) -> bytes:
    more = connection.recv(65536)
    if not more:
        raise RuntimeError("the server closed the connection")
    return more


if __name__ == "__main__":
    main(sys.argv[1:])
