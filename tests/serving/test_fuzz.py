"""Malformed requests: only documented statuses, no crash, no growth of memory."""

import contextlib
import json
import socket
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnist_exp.config import RequestSettingsConfig
from mnist_exp.serving.swagger import ANSWERS
from mnist_exp.workspaces.local.endpoints.server_processes import servers_below
from tests.serving.digits_service import serve_digits
from tests.support.scoring_service import Service

SHORT, LONG = 500, 10_000
#: Bytes by which the memory of all processes together may grow, since allocators keep some.
GROWTH = 30e6
PATIENCE_S = 60

ROW = [0] * 784
numbers = st.one_of(
    st.integers(-300, 300),
    st.integers(-(10**40), 10**40),
    st.floats(),
    st.sampled_from([1e308, -0.0, 255, 256]),
)
pixels = st.one_of(numbers, st.none(), st.booleans(), st.text(max_size=5), st.lists(numbers))
rows = st.one_of(
    st.just(ROW),
    st.builds(
        lambda pixel, place: [*ROW[:place], pixel, *ROW[place + 1 :]], pixels, st.integers(0, 783)
    ),
    st.lists(pixels, max_size=5),
    pixels,
)
json_values = st.recursive(
    pixels, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner)
)
bodies = st.one_of(
    st.lists(rows, max_size=3).map(lambda value: json.dumps({"data": value}).encode()),
    json_values.map(lambda value: json.dumps(value).encode()),
    json_values.map(lambda value: json.dumps({"data": value}).encode()),
    st.lists(rows, max_size=2).map(lambda value: json.dumps({"data": value}).encode()[:-2]),
    st.binary(max_size=200),
    st.integers(1, 200_000).map(lambda depth: b"[" * depth),
    st.integers(1, 50_000).map(lambda depth: b'{"data":' * depth + b"1" + b"}" * depth),
    st.integers(1, 100_000).map(lambda digits: b'{"data": [[' + b"9" * digits + b"]]}"),
)
methods = st.sampled_from([b"POST", b"GET", b"PUT", b"HEAD", b"OPTIONS", b"TRACE", b"post", b"X"])
paths = st.sampled_from(
    [
        b"/score",
        b"/score",
        b"/score",
        b"/",
        b"/health",
        b"/swagger.json",
        b"/score/",
        b"//score",
        b"/../../keys.json",
        b"/%2e%2e/keys.json",
        b"/score?a=%00&a",
        b"/score?a=" + b"[" * 5000 + b"]" * 5000,
        b"/score?a=1&a=%7B&a=[NaN]&a=" + b"9" * 5000,
        b"*",
        b"http://x/score",
        b"",
    ]
)
tricks = st.lists(
    st.sampled_from(
        [
            b"Expect: 100-continue",
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: gzip, chunked",
            b"Content-Length: 5",
            b"Content-Length: -1",
            b"Content-Length: 99999999999999999999",
            b"Connection: close",
            b"Connection: Upgrade\r\nUpgrade: websocket",
            b"azureml-model-deployment: blue",
            b"azureml-model-deployment: ../blue",
            b"azureml-model-deployment: \xff\xfe",
            b"x-ms-client-request-id: " + b"i" * 200,
            b"x-ms-client-request-id: a\tb",
            b"Authorization: Bearer wrong",
            b"Authorization: \xff",
            b"Content-Encoding: gzip",
            b"Content-Type: multipart/form-data",
            b"bad header",
            b" : empty",
            b"X: " + b"x" * 70_000,
        ]
    ),
    max_size=3,
)


# These tests need bodies of a hundred kilobytes.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from serve_digits(tmp_path_factory.mktemp("digits"), RequestSettingsConfig(2_000, 4))


def status_of(service: Service, message: bytes) -> int | None:
    """Send a message, end the sending, and return the status; None for a closed connection."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_S) as sender:
        received = b""
        try:
            sender.sendall(message)
            with contextlib.suppress(OSError):  # closed by the other side already
                sender.shutdown(socket.SHUT_WR)
            while b"\r\n\r\n" not in received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"):
                more = sender.recv(65536)
                if not more:
                    break
                received += more
        # The endpoint refused the request early, and did not read it to its end.
        except (ConnectionResetError, BrokenPipeError):
            pass
    received = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    return int(received.split(b" ", 2)[1]) if received else None


def fuzz(service: Service, count: int) -> None:
    key = service.keys.primary.encode()

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(methods, paths, tricks, bodies, st.booleans())
    def ask(method: bytes, path: bytes, extra: list[bytes], body: bytes, is_plain: bool) -> None:
        head = [b"Host: x", b"Authorization: Bearer " + key, b"Content-Length: %d" % len(body)]
        if is_plain:
            # Reach the scoring script, which most of the other requests do not.
            method, path, extra = b"POST", b"/score", []
        lines = [method + b" " + path + b" HTTP/1.1", *head, *extra]
        status = status_of(service, b"\r\n".join(lines) + b"\r\n\r\n" + body)
        assert status in ANSWERS or (status is None and not is_plain), (lines[0], extra, status)

    ask()


def memory(service: Service) -> int:
    return sum(psutil.Process(one.pid).memory_info().rss for one in servers_below(service.folder))


def check(service: Service, count: int) -> None:
    before = servers_below(service.folder)
    fuzz(service, 100)
    began = memory(service)
    fuzz(service, count)
    assert sorted(one.pid for one in servers_below(service.folder)) == sorted(
        one.pid for one in before
    )
    assert service.endpoints.statistics("digits-endpoint")["blue"].restarts == 0
    assert memory(service) - began < GROWTH
    reply = service.score(json.dumps({"data": [ROW]}))
    assert reply.status_code == 200
    assert len(reply.json()) == 1


def test_only_documented_statuses(digits: Service):
    check(digits, SHORT)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_only_documented_statuses_for_long(digits: Service):
    check(digits, LONG)


def test_a_hundred_megabytes_are_413_and_kept_nowhere(digits: Service):
    before = memory(digits)
    head = b"POST /score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    head += digits.keys.primary.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    assert status_of(digits, head + chunk * 100 + b"0\r\n\r\n") == 413
    assert memory(digits) - before < GROWTH


def test_slow_senders_block_nobody(digits: Service):
    head = b"POST /score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    head += digits.keys.primary.encode() + b"\r\nContent-Length: 100\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", digits.port), timeout=60) for _ in range(200)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(head[: number % len(head) + 1])
        for _ in range(20):
            assert digits.score(json.dumps({"data": [ROW]})).status_code == 200
    finally:
        for connection in slow:
            connection.close()
