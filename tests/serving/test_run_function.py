"""The definitions of `run`, called directly and behind a real endpoint.

`tests/parity` has the requests and results that concern a single request.
"""

import json
from collections.abc import Callable

import pytest

from mnist_exp.serving.frames import Head, Request
from mnist_exp.serving.run_function import inspect_run
from tests.parity.schema_stand_in import write_stand_in
from tests.parity.scripts import SCRIPTS
from tests.support.scoring_service import Service

JSON = "application/json"
LOGGING = {
    "version": 1,
    "formatters": {
        "azure": {
            "class": "azureml_inference_server_http.log_config.AMLLogFormatter",
            "format": "%(name)s - %(message)s",
        }
    },
    "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "azure"}},
    "root": {"handlers": ["out"], "level": "WARNING"},
}


def test_the_body_goes_to_the_first_parameter_whatever_its_name():
    assert inspect_run(lambda text, more=1: 0).arguments(Request(b"", b"", b"x")) == {"text": "x"}


def test_headers_are_passed_by_name():
    run = inspect_run(lambda request_headers, raw_data: 0)
    head = Head("POST", "", {"A": "b"})
    assert run.needs_head
    given = run.arguments(Request(b"", head.packed(), b"x"))
    assert given == {"raw_data": "x", "request_headers": {"A": "b"}}


@pytest.mark.parametrize(
    ("run", "fault"),
    [
        (lambda *data: 1, r"run\(\) must have only named parameters, got \*data; write run\(raw"),
        (lambda raw_data, **more: 1, r"got \*\*more"),
        (lambda raw_data, /: 1, "got raw_data"),
        (lambda: 1, r"must have a parameter for the request; write run\(raw_data\)"),
        (lambda request_headers: 1, "must have a parameter for the request"),
    ],
)
def test_a_run_that_azure_would_not_call_is_refused(run: Callable[..., object], fault: str):
    with pytest.raises(TypeError, match=fault):
        inspect_run(run)


def test_an_endpoint_serves_a_script_with_a_schema(changeable: Service):
    write_stand_in(changeable.folder / "code")
    changeable.deploy(script=SCRIPTS["schema"].source)
    typed = {"content-type": JSON}
    assert changeable.score('{"data": [1, 2]}', **typed).json() == [[1, 2], "usual"]
    with changeable.client as client:
        assert client.get("/score?data=[1]&text=x").json() == [[1], "x"]
    answer = changeable.curl("-i", "-H", "content-type: text/plain", "-d", '{"data": [1]}')
    assert "ms-azureml-model-error-statuscode: 415" in answer


def test_an_endpoint_passes_the_headers_but_not_the_key(changeable: Service):
    script = "def init(): pass\ndef run(request_headers, raw): return [raw, request_headers]\n"
    changeable.deploy(script=script)
    reply = changeable.score("x", **{"X-Mine": "y", "content-type": "text/plain"})
    body, given = reply.json()
    assert (body, given["X-Mine"], given["Content-Type"]) == ("x", "y", "text/plain")
    assert "Authorization" not in given
    assert changeable.keys.primary not in reply.text


def test_a_script_with_raw_http_has_its_own_status_headers_and_bytes(changeable: Service):
    changeable.deploy(script=SCRIPTS["raw"].source)
    with changeable.client as client:
        picture = "AMLResponse(b'\\x89PNG', 200, {'Content-Type': 'image/png', 'X-Mine': 'y'})"
        reply = client.get("/score", params={"do": picture})
        assert (reply.status_code, reply.content) == (200, b"\x89PNG")
        assert (reply.headers["content-type"], reply.headers["x-mine"]) == ("image/png", "y")
        # A managed endpoint replaces each status that is not 200.
        reply = client.get("/score", params={"do": "AMLResponse('no tea', 418, {'X-Mine': 'y'})"})
        assert (reply.status_code, reply.text, reply.headers["x-mine"]) == (424, "no tea", "y")
        assert reply.headers["ms-azureml-model-error-statuscode"] == "418"
        assert client.get("/score", params={"do": "'Authorization' in request.headers"}).text == (
            "false"
        )


def test_a_script_may_do_what_needs_the_main_thread(changeable: Service):
    # `logging.json` has a formatter of Azure's server, and disables the loggers that exist already.
    config = changeable.folder / "code" / "logging.json"
    config.write_text(json.dumps(LOGGING))
    try:
        changeable.deploy(script=SCRIPTS["main thread"].source)
    finally:
        config.unlink()
    assert changeable.score("alarm()").json() == "rung"
    assert changeable.score("LOOP.run_until_complete(three())").json() == 3
    assert changeable.score("logging.getLogger('mine').warning('hello') or undefined").is_error
    log = changeable.log.read_text()
    assert "mine - hello\n" in log
    assert "failed: NameError: name 'undefined'" in log
