"""What the page's server sends to the endpoint."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mnist_exp.drawing import Page, PageServer
from mnist_exp.errors import ConfigError, EndpointError, RefusedError
from tests.drawing.test_guard import BODY, Client

ROW = [0] * 784


def test_the_key_for_probabilities_is_left_out_if_the_script_refuses_it() -> None:
    sent = []

    def score(deployment: str, body: bytes) -> object:
        sent.append((deployment, json.loads(body)))
        if "probabilities" in sent[-1][1] and deployment == "old":
            raise EndpointError("endpoint digits: answered 424: no such key", 424)
        return [1]

    page = Page("digits", {"old": 50, "new": 50}, score)
    for deployment in ("old", "old", "new"):
        answer = page.answer(deployment, {"data": [ROW]})
        assert (answer["status"], answer["answer"]) == (200, [1])
    asked = [(name, "probabilities" in body) for name, body in sent]
    assert asked == [("old", True), ("old", False), ("old", False), ("new", True)]
    page.answer("new", {"input_data": [1]})
    assert sent[-1] == ("new", {"input_data": [1]})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (EndpointError("endpoint digits: answered 429: too many", 429), 429),
        (EndpointError("endpoint digits: no response"), 0),
        (RefusedError("the sign-in is missing"), 0),
    ],
)
def test_an_error_is_an_answer_with_its_status(error: Exception, status: int) -> None:
    def score(*_: object) -> object:
        raise error

    answer = Page("digits", {"blue": 100}, score).answer("blue", {"data": [ROW]})
    assert (answer["status"], answer["message"]) == (status, str(error))


@pytest.mark.external
def test_a_second_request_at_the_same_time_is_refused() -> None:
    began, may_end = threading.Event(), threading.Event()

    def score(*_: object) -> object:
        began.set()
        assert may_end.wait(30)
        return [7]

    with (
        PageServer(Page("digits", {"blue": 100}, score)) as server,
        ThreadPoolExecutor() as threads,
    ):
        client = Client(server, [])
        first = threads.submit(client.post, BODY)
        assert began.wait(30)
        assert client.post()[0] == 429
        may_end.set()
        assert first.result()[0] == 200
        assert client.post()[0] == 200


@pytest.mark.external
def test_the_server_waits_until_nobody_uses_the_page() -> None:
    with PageServer(Page("digits", {"blue": 100}, lambda *_: [1])) as server:
        server.wait_until_idle(0.1)


@pytest.mark.external
def test_a_port_that_is_used_is_an_error() -> None:
    page = Page("digits", {"blue": 100}, lambda *_: [1])
    with (
        PageServer(page) as server,
        pytest.raises(ConfigError, match=r"page\.port: must be a free"),
    ):
        PageServer(page, server.port)
