"""HTTP connections of the front: what is a valid request, and what clients can make it store."""

import asyncio
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import uvloop

from mnist_exp.serving import http_connection, http_limits
from mnist_exp.serving.exchange import Exchange
from mnist_exp.serving.http_answer import RefusalError
from mnist_exp.serving.http_connection import HttpConnection
from mnist_exp.serving.http_limits import (
    CHUNK_OVERHEAD_LIMIT,
    HEAD_LIMIT,
    HEADERS_LIMIT,
    READ_SIZE,
    Connections,
)
from mnist_exp.serving.http_stream import Stream

HOST = b"host: x\r\n"
KEY = b"authorization: Bearer key\r\n"
POST = b"POST /echo HTTP/1.1\r\n" + HOST + KEY
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
GET = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
#: Values of the header `Connection` that let the front close the connection.
CLOSING = (
    b"close",
    b"Close",
    b"CLOSE",
    b"close, x",
    b"x ,\tclose",
    b"close ",
    b"keep-alive, close",
)
LARGE_ANSWER = b"x" * 16 * 1024 * 1024
#: Functions that release the bodies of answered requests.
held: list[Callable[[], None]] = []


async def application(exchange: Exchange) -> None:
    """Answer without a key, return the body of a request with a key, or refuse the request."""
    try:
        if exchange.head.path == "/health":
            exchange.answer(200, b"Healthy")
        elif exchange.head.headers.get(b"authorization") != b"Bearer key":
            raise RefusalError(401, "no")
        else:
            exchange.grant_access()
            body = await exchange.body(60)
            if body.startswith(b"hold"):
                held.append(exchange.hold_body())
            exchange.answer(200, LARGE_ANSWER if body == b"large" else body)
    except RefusalError as error:
        exchange.refuse(error)


class Front:
    """The front's HTTP server, in a thread of this process."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(30)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        self.connections = Connections()

        def opened(stream: Stream) -> None:
            self.streams.append(stream)
            HttpConnection(stream, application, self.connections).start()

        server = await self._loop.create_server(lambda: Stream(opened), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._ending.wait()
        server.close()
        await self.connections.close(0)

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def ask(self, *parts: bytes) -> bytes:
        """Send a message, and return everything until the front closes the connection."""
        with self.connected() as client:
            for part in parts:
                client.sendall(part)
            client.shutdown(socket.SHUT_WR)
            return rest(client)


@pytest.fixture
def front() -> Iterator[Front]:
    running = Front()
    running.start()
    try:
        yield running
    finally:
        running.end()


def rest(client: socket.socket) -> bytes:
    received = bytearray()
    with suppress(ConnectionError):
        while more := client.recv(65536):
            received += more
    return bytes(received)


def status(answer: bytes) -> int:
    return statuses(answer)[0]


def statuses(answers: bytes) -> list[int]:
    return [int(one[:3]) for one in answers.split(b"HTTP/1.1 ")[1:]]


def bodies(answers: bytes) -> list[bytes]:
    return [one.partition(b"\r\n\r\n")[2] for one in answers.split(b"HTTP/1.1 ")[1:]]


def test_requests_that_two_readers_could_understand_differently_are_400(front: Front):
    line = b"POST /echo HTTP/1.1\r\n"
    wrong = [
        line + KEY + b"content-length: 0\r\n\r\n",
        line + HOST + HOST + KEY + b"content-length: 0\r\n\r\n",
        POST + KEY + b"content-length: 0\r\n\r\n",
        *(
            line + b"host: %b\r\n" % host + KEY + b"content-length: 0\r\n\r\n"
            for host in (
                b"a,b",
                b"a, b",
                b"a b",
                b"a:b",
                b"a:1:2",
                b"a/b",
                b"u@a",
                b"[::1",
                b"\xe9",
            )
        ),
        POST + b"content-type: text/plain\r\n" * 2 + b"content-length: 0\r\n\r\n",
        POST + b"azureml-model-deployment: a\r\n" * 2 + b"content-length: 0\r\n\r\n",
        POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
        POST + b"content-length: -1\r\n\r\n",
        POST + b"content-length: +1\r\n\r\na",
        POST + b"content-length: 99999999999999999999999\r\n\r\na",
        POST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + b"transfer-encoding: gzip\r\n\r\n0\r\n\r\n",
        POST + b"transfer-encoding: identity\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.0\r\n" + KEY + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"a : b\r\n\r\n",
        POST + b"a: b\r\n folded\r\n\r\n",
        POST + b"a: \x00\r\n\r\n",
        POST.replace(b"\r\n", b"\n") + b"\n",
        b"POST /echo HTTP/2.0\r\n" + HOST + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\n\r\n\r\n\r\n",
        *(CHUNKED + size + b"\r\na\r\n0\r\n\r\n" for size in (b"", b"x", b"-1", b"+1", b"0x1")),
        *(CHUNKED + size + b"\r\na\r\n0\r\n\r\n" for size in (b"1 ", b" 1", b"1_1", b"1\n")),
        CHUNKED + b"0" * 17 + b"1\r\na\r\n0\r\n\r\n",
        CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
        CHUNKED + b"1\na\n0\n\n",
        CHUNKED + b"0\r\nnot a header\r\n\r\n",
    ]
    for message in wrong:
        answer = front.ask(message)
        assert statuses(answer) == [400], message
        assert b"\r\nconnection: close\r\n" in answer
        assert b"\r\nx-ms-request-id: " in answer


def test_unusual_requests_that_are_valid(front: Front):
    upgrade = b"connection: upgrade, http2-settings\r\nupgrade: %b\r\nhttp2-settings: A\r\n"
    body = b"content-length: 4\r\n\r\nbody"
    valid = [
        POST + body,
        b"\r\n" + POST + body,
        b"POST http://other/echo?a=1 HTTP/1.1\r\n" + HOST + KEY + body,
        b"POST /%65cho HTTP/1.0\r\n" + KEY + body,
        POST + upgrade % b"h2c" + body,
        POST + upgrade % b"websocket" + b"transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        CHUNKED + b"1;a=b\r\nb\r\n003\r\nody\r\n0;last\r\nx: a trailer\r\n\r\n",
        CHUNKED.replace(b"chunked", b"Chunked") + b"4\r\nbody\r\n0\r\n\r\n",
        CHUNKED.replace(b"chunked", b"\tchunked  ") + b"4\r\nbody\r\n0\r\n\r\n",
        POST + b"content-length:4 \t\r\n\r\nbody",
        POST.replace(b"key\r\n", b"key \r\n") + body,
        *(
            POST.replace(HOST, b"host:%b\r\n" % host) + body
            for host in (
                b"",
                b" a.b-c_d:80 ",
                b"1.2.3.4:",
                b"[::1]:80",
                b"[fe80::1%25eth0]",
                b"%41",
            )
        ),
    ]
    for message in valid:
        answer = front.ask(message)
        assert (status(answer), bodies(answer)) == (200, [b"body"]), message
        # A byte at a time
        answer = front.ask(*(message[place : place + 1] for place in range(len(message))))
        assert (status(answer), bodies(answer)) == (200, [b"body"]), message


@pytest.mark.parametrize("message", [GET, POST + b"content-length: 4\r\n\r\nbody"])
def test_the_front_closes_a_connection_as_the_client_asks(front: Front, message: bytes):
    old = message.replace(b"1.1", b"1.0")
    closed = [
        *(add(message, b"connection: %b\r\n" % value) for value in CLOSING),
        add(message, b"connection: x\r\nConnection: close\r\n"),
        old,
        add(old, b"connection: keep-alive\r\n"),
    ]
    for each in closed:
        with front.connected() as client:
            # The client never ends its side, so the answers end only if the front closes.
            client.sendall(each)
            answer = rest(client)
            assert statuses(answer) == [200], each
            assert b"\r\nconnection: close\r\n" in answer, each
    for value in (b"keep-alive", b"x", b"closed", b""):
        kept = add(message, b"connection: %b\r\n" % value)
        assert statuses(front.ask(kept + message)) == [200, 200], value


def add(message: bytes, header: bytes) -> bytes:
    """Return the message with one more header."""
    return message.replace(HOST, HOST + header)


def test_an_upgrade_does_not_end_the_connection(front: Front):
    upgrade = POST + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 1\r\n\r\n"
    assert bodies(front.ask(upgrade + b"1" + upgrade + b"2" + GET)) == [b"1", b"2", b"Healthy"]


def test_a_client_that_waits_for_100_continue_gets_it_only_if_the_body_is_wanted(front: Front):
    waits = b"expect: 100-continue\r\ncontent-length: 4\r\n\r\n"
    with front.connected() as client:
        client.sendall(POST + waits)
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"body")
        assert status(client.recv(1000)) == 200
    with front.connected() as client:
        client.sendall(b"POST /echo HTTP/1.1\r\n" + HOST + waits)
        assert status(client.recv(1000)) == 401


def test_a_head_request_has_no_body(front: Front):
    answer = front.ask(GET.replace(b"GET", b"HEAD"))
    assert b"\r\ncontent-length: 7\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_kept_connection_skips_the_body_of_a_refused_request(front: Front):
    refused = b"POST /echo HTTP/1.1\r\n" + HOST + b"content-length: 4\r\n\r\n"
    assert statuses(front.ask(refused + b"body" + GET)) == [401, 200]
    # The rest of the body may never arrive.
    assert b"\r\nconnection: close\r\n" in front.ask(refused + b"bo")


@pytest.mark.parametrize("pieces", [1, 7])
def test_the_limit_of_the_head_is_exact(front: Front, pieces: int):
    start = b"GET /health HTTP/1.1\r\n" + HOST + b"x: "
    longest = start + b"x" * (HEAD_LIMIT - len(start) - 4) + b"\r\n\r\n"
    for message, expected in ((longest, 200), (longest.replace(b"x:", b"xx:"), 431)):
        size = -(-len(message) // pieces)
        parts = [message[place : place + size] for place in range(0, len(message), size)]
        assert status(front.ask(*parts, GET)) == expected


def test_too_many_headers_are_431(front: Front):
    lines = b"".join(b"x%d:\r\n" % number for number in range(HEADERS_LIMIT - 1))
    line = b"GET /health HTTP/1.1\r\n" + HOST
    assert status(front.ask(line + lines + b"\r\n")) == 200
    assert status(front.ask(line + lines + b"y:\r\n\r\n")) == 431


@pytest.mark.parametrize(
    "unit",
    [
        b"x" * 1000,  # the first line
        b"\r\n",
        CHUNKED + b"0\r\n",
        CHUNKED + b"1;",
        POST + b"expect: 100-continue\r\ncontent-length: 99999999999\r\n\r\n",
    ],
)
def test_endless_requests_are_refused_and_not_stored(front: Front, unit: bytes):
    endless = {CHUNKED + b"0\r\n": b"x: a\r\n", CHUNKED + b"1;": b"a=b;"}.get(unit, unit)
    with front.connected() as client:
        with suppress(ConnectionError):
            client.sendall(unit + endless * (10 * CHUNK_OVERHEAD_LIMIT // len(endless)))
            client.sendall(endless * (20 * READ_SIZE // len(endless)))
        assert status(client.recv(1000).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")) in (
            *(400, 413, 431),
        )
    assert len(front.streams[0].received) <= 2 * READ_SIZE


def test_many_chunk_extensions_are_refused(front: Front):
    longest = 16 + CHUNK_OVERHEAD_LIMIT // 100
    chunk = b"1;" + b"a" * (longest - 2) + b"\r\nx\r\n"
    assert status(front.ask(CHUNKED + chunk * 100 + b"0\r\n\r\n")) == 200
    assert status(front.ask(CHUNKED + chunk * 110 + b"0\r\n\r\n")) == 400
    # Small chunks alone are no overhead.
    assert bodies(front.ask(CHUNKED + b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n")) == [b"x" * 20_000]


@pytest.mark.parametrize("request_", [GET, POST + b"content-length: 1\r\n\r\na"])
def test_a_client_that_reads_no_answers_is_not_served(front: Front, request_: bytes):
    with front.connected() as client:
        client.setblocking(False)
        sent = 0
        with suppress(BlockingIOError):
            while sent < 200_000_000:
                sent += client.send(request_ * 1000)
        # The front stops to read as soon as the kernel's buffers are full.
        client.settimeout(0.2)
        with suppress(TimeoutError):
            while sent < 200_000_000:
                sent += client.send(request_ * 1000)
        assert sent < 200_000_000
        assert len(front.streams[0].received) <= 2 * READ_SIZE
        assert front.streams[0].unsent < 2 * READ_SIZE


def closes(client: socket.socket) -> bool:
    """Return True when the front closes the connection; fail if the front does not."""
    rest(client)
    return True


def test_connections_that_never_end_a_request_are_closed(
    front: Front, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(http_connection, "HEAD_TIMEOUT_S", 0.1)
    monkeypatch.setattr(http_connection, "KEEP_ALIVE_S", 0.1)
    monkeypatch.setattr(http_connection, "LINGER_S", 0.1)
    for start in (
        b"",
        b"POST",
        POST[:-2],
        GET,
        GET + b"GET",
        # Refused, and then the rest of the body never ends.
        b"POST /echo HTTP/1.1\r\n" + HOST + b"content-length: 99\r\n\r\nx",
        b"POST /echo HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n1\r\n",
        CHUNKED + b"x\r\n",
    ):
        with front.connected() as client:
            client.sendall(start)
            assert closes(client)


def test_a_byte_now_and_then_extends_no_time_limit(front: Front, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http_connection, "HEAD_TIMEOUT_S", 0.3)
    monkeypatch.setattr(http_connection, "LINGER_S", 0.3)
    refused = b"POST /echo HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n"
    for start in (b"GET /health HTTP/1.1\r\nx: ", refused):
        with front.connected() as client:
            client.sendall(start)
            client.settimeout(0.02)
            # Without the limit, this loop does not end.
            while True:
                try:
                    client.sendall(b"x")
                    if not client.recv(1000):
                        break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break


def test_an_answer_that_nobody_reads_is_dropped(front: Front, monkeypatch: pytest.MonkeyPatch):
    large = POST + b"content-length: 5\r\n\r\nlarge"
    with front.connected() as patient, front.connected() as late:
        monkeypatch.setattr(http_connection, "ANSWER_TIMEOUT_S", 0.1)
        late.sendall(large)
        assert len(rest(late_reader(late, front))) < len(LARGE_ANSWER)
        monkeypatch.setattr(http_connection, "ANSWER_TIMEOUT_S", 60)
        # A large answer alone is not dropped.
        monkeypatch.setattr(http_limits, "UNREAD_LIMIT", len(LARGE_ANSWER) // 2)
        patient.sendall(large)
        patient.shutdown(socket.SHUT_WR)
        assert len(rest(patient)) > len(LARGE_ANSWER)


def late_reader(client: socket.socket, front: Front) -> socket.socket:
    """Return the client when the front has closed the connection."""
    client.recv(1)
    ended = threading.Event()
    while front.streams[-1].unsent:
        ended.wait(0.01)
    return client


def test_of_too_many_unread_answers_the_oldest_are_dropped(
    front: Front, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(http_limits, "UNREAD_LIMIT", 2 * len(LARGE_ANSWER))
    clients = [front.connected() for _ in range(4)]
    try:
        for client in clients:
            client.sendall(POST + b"connection: close\r\ncontent-length: 5\r\n\r\nlarge")
            client.recv(1)
        sizes = [len(rest(client)) for client in clients]
        assert [size > len(LARGE_ANSWER) for size in sizes] == [False, False, True, True]
    finally:
        for client in clients:
            client.close()


def test_what_a_client_has_read_does_not_count(front: Front, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http_limits, "UNREAD_LIMIT", len(LARGE_ANSWER) * 3 // 2)
    with front.connected() as first, front.connected() as second:
        first.sendall(POST + b"connection: close\r\ncontent-length: 5\r\n\r\nlarge")
        read = 0
        while read < len(LARGE_ANSWER) * 3 // 4:
            read += len(first.recv(65536))
        second.sendall(POST + b"connection: close\r\ncontent-length: 5\r\n\r\nlarge")
        second.recv(1)
        assert read + len(rest(first)) > len(LARGE_ANSWER)


def test_bodies_that_are_together_too_large_are_429(front: Front, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http_limits, "BODIES_LIMIT", 1_000_000)
    head = POST + b"content-length: 900000\r\n\r\n"
    with front.connected() as first, front.connected() as second:
        first.sendall(head + b"x" * 800_000)
        second.sendall(head + b"x" * 800_000)
        refused = next(one for one in (first, second) if readable(one, first, second))
        assert status(refused.recv(1000)) == 429
        other = second if refused is first else first
        # A small body needs no room, and the other large body has its room.
        assert status(front.ask(POST + b"content-length: 4\r\n\r\nbody")) == 200
        other.sendall(b"x" * 100_000)
        assert status(other.recv(1000)) == 200
        assert status(front.ask(head + b"x" * 900_000)) == 200


def test_a_body_counts_until_nobody_holds_it(front: Front, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http_limits, "BODIES_LIMIT", 1_000_000)
    request = POST + b"content-length: 900000\r\n\r\n%b" + b"x" * 899_996
    assert status(front.ask(request % b"hold")) == 200
    assert status(front.ask(request % b"more")) == 429
    held.pop()()
    assert status(front.ask(request % b"more")) == 200


def readable(one: socket.socket, *clients: socket.socket) -> bool:
    """Return whether this client is the first to have an answer."""
    return one in select.select(clients, [], [], 60)[0]


def test_a_new_connection_replaces_the_oldest_without_a_key(
    front: Front, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(http_limits, "CONNECTIONS_LIMIT", 10)
    echo = POST + b"content-length: 4\r\n\r\nbody"
    with front.connected() as known:
        known.sendall(echo)
        assert status(known.recv(1000)) == 200
        keyless = [front.connected() for _ in range(30)]
        try:
            # The last connection exists on the front's side when it is answered.
            keyless[-1].sendall(GET)
            assert status(keyless[-1].recv(1000)) == 200
            assert len(front.connections) == 10
            assert all(closes(one) for one in keyless[:21])
            for client in (keyless[21], known):
                client.sendall(echo)
                assert status(client.recv(1000)) == 200
        finally:
            for one in keyless:
                one.close()


def test_a_new_connection_is_refused_if_all_others_have_a_request(
    front: Front, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(http_limits, "CONNECTIONS_LIMIT", 2)
    with front.connected() as first, front.connected() as second:
        for client in (first, second):
            client.sendall(POST + b"expect: 100-continue\r\ncontent-length: 4\r\n\r\n")
            assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert status(front.ask(b"")) == 503
        for client in (first, second):
            client.sendall(b"body")
            assert status(client.recv(1000)) == 200


def test_connections_leave_nothing_behind(front: Front):
    for message in (GET, b"", b"nonsense\r\n\r\n", CHUNKED, POST + b"content-length: 9\r\n\r\nx"):
        front.ask(message)
    with front.connected() as last:
        last.sendall(GET)
        last.recv(1000)
        assert len(front.connections) == 1
