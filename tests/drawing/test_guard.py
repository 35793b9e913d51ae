"""What the page's server refuses, over real sockets."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from mnist_exp.drawing import Page, PageServer
from mnist_exp.drawing.guard import MAX_BODY

pytestmark = pytest.mark.external

BODY = json.dumps({"deployment": "blue", "body": {"data": [[0] * 784]}})


@dataclass
class Client:
    """A client of a page's server, which sends a request as the page would, with some changes."""

    server: PageServer
    sent: list[tuple[str, bytes]]
    cookie: str = field(init=False)

    def __post_init__(self) -> None:
        status, headers, _ = self.request("GET", "/" + self.server.address.rpartition("/")[2])
        assert status == 200
        self.set_cookie = headers["set-cookie"]
        self.cookie = self.set_cookie.partition(";")[0]

    def request(
        self, method: str, path: str, body: str | None = None, **headers: str | None
    ) -> tuple[int, dict[str, str], str]:
        """Return the status, the headers and the text of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        connection.putrequest(method, path, skip_host=True)
        given = {"host": f"127.0.0.1:{self.server.port}", **headers}
        for name, value in given.items():
            if value is not None:
                connection.putheader(name.replace("_", "-"), value)
        if body is not None and "transfer_encoding" not in headers:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders()
        if body is not None:
            connection.send(body.encode())
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, text

    def post(self, body: str = BODY, **changes: str | None) -> tuple[int, str]:
        """Send a scoring request with all headers of the page, except for the changes."""
        headers = {
            "cookie": self.cookie,
            "origin": f"http://127.0.0.1:{self.server.port}",
            "content_type": "application/json",
            **changes,
        }
        status, _, text = self.request("POST", "/score", body, **headers)
        return status, text


@pytest.fixture
def client() -> Iterator[Client]:
    sent: list[tuple[str, bytes]] = []

    def score(deployment: str, body: bytes) -> object:
        sent.append((deployment, body))
        return [7]

    with PageServer(Page("digits", {"blue": 100}, score)) as server:
        yield Client(server, sent)


def test_the_page_may_send_a_request(client: Client) -> None:
    status, text = client.post()
    assert (status, json.loads(text)["answer"]) == (200, [7])
    assert [name for name, _ in client.sent] == ["blue"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"host": None}, 403),
        ({"host": "evil.example"}, 403),
        ({"host": "evil.example:80"}, 403),
        ({"host": "127.0.0.1"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"origin": None}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "https://127.0.0.1"}, 403),
        ({"cookie": None}, 403),
        ({"cookie": "mnist_exp_page=x"}, 403),
        ({"content_type": None}, 415),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
        ({"content_type": "application/json2"}, 415),
    ],
    ids=str,
)
def test_a_request_of_another_page_is_refused(
    client: Client, changes: dict[str, str | None], expected: int
) -> None:
    assert client.post(**changes)[0] == expected
    assert client.sent == []


@pytest.mark.parametrize("path", ["/", "/page.js", "/digit.js", "/page.css", "/info", "/other"])
def test_without_the_cookie_nothing_can_be_read(client: Client, path: str) -> None:
    status, headers, _ = client.request("GET", path)
    assert status == 403
    assert "set-cookie" not in headers
    assert client.request("GET", path, cookie=client.cookie + "x")[0] == 403
    found = client.request("GET", path, cookie=client.cookie)
    assert found[0] == (404 if path == "/other" else 200)


def test_the_token_works_once(client: Client) -> None:
    assert client.request("GET", "/?token=None")[0] == 403
    assert client.server.address.endswith("token=None")


def test_a_wrong_host_does_not_use_up_the_token() -> None:
    with PageServer(Page("digits", {"blue": 100}, lambda *_: [1])) as server:
        path = "/" + server.address.rpartition("/")[2]
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        with closing(connection):
            connection.request("GET", path, headers={"host": "evil.example"})
            assert connection.getresponse().status == 403
        assert Client(server, []).post()[0] == 200


def test_the_cookie_is_hidden_from_scripts_and_from_other_sites(client: Client) -> None:
    assert client.set_cookie.partition("; ")[2] == "HttpOnly; SameSite=Strict; Path=/"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_refused(client: Client, chunked: bool) -> None:
    body = json.dumps({"deployment": "blue", "body": "x" * MAX_BODY})
    changes: dict[str, str | None] = {}
    if chunked:
        body = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
        changes["transfer_encoding"] = "chunked"
    assert client.post(body, **changes)[0] == 413
    assert client.sent == []


@pytest.mark.parametrize(
    "body",
    ["", "no json", "[]", "{}", '{"body": 1}', pytest.param("[" * 100_000, id="deeply nested")],
)
def test_a_body_of_another_form_is_refused(client: Client, body: str) -> None:
    assert client.post(body)[0] == 400


def test_an_unknown_deployment_is_refused(client: Client) -> None:
    assert client.post(json.dumps({"deployment": "green", "body": {}}))[0] == 404
    assert client.post(json.dumps({"deployment": ["blue"], "body": {}}))[0] == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(client: Client, method: str) -> None:
    assert client.request(method, "/score", cookie=client.cookie)[0] == 405


def test_each_answer_forbids_frames_and_other_sources(client: Client) -> None:
    for answer in (
        client.request("GET", "/", cookie=client.cookie),
        client.request("GET", "/"),
        client.request("GET", "/other", cookie=client.cookie),
    ):
        headers = answer[1]
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
