"""Floods of requests, which a client may send to cost an endpoint memory, connections or time.

    python -m tests.support.floods NAME PORT KEYS_FILE SECONDS

The floods run in a process of their own, so that their work does not delay the measured client. A
flood opens a connection again when the endpoint has closed it.
"""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

HOST = b"Host: x\r\n"
GET = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /score HTTP/1.1\r\n" + HOST
WRONG = POST + b"Authorization: Bearer wrong\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
MEGABYTE = 1024 * 1024
#: Number of connections of a flood that opens its connections one after the other.
_THREADS = 4
#: Number of connections of a flood that keeps its connections open.
_MANY = 2000


def trailers(key: bytes) -> Iterator[bytes]:
    yield POST + CHUNKED + b"0\r\n"
    while True:
        yield b"x: a\r\n" * 10_000


def trailers_with_a_key(key: bytes) -> Iterator[bytes]:
    yield POST + key + CHUNKED + b"0\r\n"
    while True:
        yield b"x: a\r\n" * 10_000


def pipelined_without_reading(key: bytes) -> Iterator[bytes]:
    while True:
        yield GET * 1000


def pipelined_posts(key: bytes) -> Iterator[bytes]:
    while True:
        yield (WRONG + b"Content-Length: 4\r\n\r\nnone") * 1000


def large_heads(key: bytes) -> Iterator[bytes]:
    yield b"GET /health HTTP/1.1\r\n" + HOST
    while True:
        yield b"x: " + b"x" * 600 + b"\r\n"


def many_headers(key: bytes) -> Iterator[bytes]:
    yield b"GET /health HTTP/1.1\r\n" + HOST
    while True:
        yield b"a:\r\n" * 1000


def bodies_without_a_key(key: bytes) -> Iterator[bytes]:
    yield WRONG + b"Content-Length: %d\r\n\r\n" % (10 * MEGABYTE)
    for _ in range(10):
        yield b" " * MEGABYTE


def bodies_with_a_key(key: bytes) -> Iterator[bytes]:
    yield POST + key + b"Content-Length: %d\r\n\r\n" % (10 * MEGABYTE)
    for _ in range(10):
        yield b" " * MEGABYTE


def bodies_for_a_hanging_run(key: bytes) -> Iterator[bytes]:
    return bodies_with_a_key(key + b"azureml-model-deployment: hanging\r\n")


def tiny_chunks(key: bytes) -> Iterator[bytes]:
    yield POST + key + CHUNKED
    while True:
        yield b"1\r\n \r\n" * 10_000


def chunk_extensions(key: bytes) -> Iterator[bytes]:
    yield POST + key + CHUNKED
    while True:
        yield b"1;" + b"a" * 10_000 + b"\r\n \r\n"


def expect_100(key: bytes) -> Iterator[bytes]:
    while True:
        yield WRONG + b"Expect: 100-continue\r\nContent-Length: 9999999999\r\n\r\n"


def _one_request(request: bytes) -> Callable[[bytes], Iterator[bytes]]:
    def parts(key: bytes) -> Iterator[bytes]:
        yield request

    return parts


def _slowly(start: bytes) -> Callable[[bytes], Iterator[bytes]]:
    def parts(key: bytes) -> Iterator[bytes]:
        yield start
        while True:
            yield b"x"

    return parts


#: Floods that send as fast as possible, and never read.
WRITERS: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    function.__name__: function
    for function in (
        *(trailers, trailers_with_a_key, pipelined_without_reading, pipelined_posts),
        *(large_heads, many_headers, bodies_without_a_key, bodies_with_a_key),
        *(bodies_for_a_hanging_run, tiny_chunks, chunk_extensions, expect_100),
    )
}
#: Floods that read the answer to each request, and then send the next request.
ASKERS = {
    "wrong_key_at_speed": WRONG + b"Content-Length: 4\r\n\r\nnone",
    "new_connections_at_speed": GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
    "http_1_0": b"GET /health HTTP/1.0\r\n\r\n",
}
#: Floods of many connections that send one byte per second.
HOLDERS = {
    "idle_connections": _one_request(b""),
    "slow_heads": _slowly(b"GET /health HTTP/1.1\r\nx: "),
    "slow_bodies_after_401": _slowly(WRONG + b"Content-Length: 99999\r\n\r\n"),
    "slow_trailers_after_401": _slowly(WRONG + CHUNKED + b"0\r\nx: "),
    "no_body": _one_request(WRONG + b"Content-Length: 9999999\r\n\r\n"),
}
ALL = "all"
FLOODS = (*WRITERS, *ASKERS, *HOLDERS)


def flood(name: str, port: int, key: bytes, seconds: float) -> None:
    """Send a flood to an endpoint. The name ALL sends all floods at the same time."""
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=work, args=(one, port, key, until))
        for one in (FLOODS if name == ALL else (name,))
        for work in ([_hold] if one in HOLDERS else [_ask if one in ASKERS else _write] * _THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _write(name: str, port: int, key: bytes, until: float) -> None:
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as client:
            for part in WRITERS[name](key):
                client.sendall(part)
                if time.monotonic() > until:
                    return
            # Read the answer of a flood that ends.
            client.recv(1000)


def _ask(name: str, port: int, key: bytes, until: float) -> None:
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            while time.monotonic() < until:
                client.sendall(ASKERS[name])
                if not client.recv(10_000):
                    break


def _hold(name: str, port: int, key: bytes, until: float) -> None:
    held: dict[socket.socket, Iterator[bytes]] = {}
    while time.monotonic() < until:
        while len(held) < _MANY and time.monotonic() < until:
            client = socket.create_connection(("127.0.0.1", port), timeout=5)
            client.setblocking(False)
            held[client] = HOLDERS[name](key)
            _continue(client, held)
        for client in [*held]:
            _continue(client, held)
        time.sleep(min(1, max(0, until - time.monotonic())))
    for client in held:
        client.close()


def _continue(client: socket.socket, held: dict[socket.socket, Iterator[bytes]]) -> None:
    try:
        client.send(next(held[client], b""))
        with suppress(BlockingIOError):
            if not client.recv(1000):
                raise ConnectionError
    except OSError:
        held.pop(client)
        client.close()


if __name__ == "__main__":
    keys = json.loads(Path(sys.argv[3]).read_text(encoding="utf-8"))
    header = b"Authorization: Bearer %b\r\n" % keys["primary"].encode()
    flood(sys.argv[1], int(sys.argv[2]), header, float(sys.argv[4]))
