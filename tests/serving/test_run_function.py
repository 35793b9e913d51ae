"""The forms of `run`, called directly and behind a real endpoint."""

import json
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from mnist_exp.errors import JobError
from mnist_exp.serving.frames import METHOD
from mnist_exp.serving.run_function import BadInputError, inspect_run
from tests.support.scoring_service import Service

JSON = "application/json"
#: Stand-in for the package inference-schema, whose releases exclude the versions that we need.
SCHEMA_UTIL = "DECORATED = []\ndef is_schema_decorated(run): return run in DECORATED\n"
DECORATORS = """
from inference_schema import schema_util
def input_schema(name, sample):
    return lambda run: schema_util.DECORATED.append(run) or run
"""
WITH_SCHEMA = """
from inference_schema.schema_decorators import input_schema
def init(): pass
@input_schema("data", [1])
def run(data, factor=2): return [factor * one for one in data]
"""
WITH_HEADERS = "def init(): pass\ndef run(request_headers, raw): return [raw, request_headers]\n"
RAW_HTTP = """
from azureml.contrib.services.aml_request import AMLRequest, rawhttp
def init(): pass
@rawhttp
def run(request): return 1
"""


def headers(method: str = "POST", **more: str) -> bytes:
    return json.dumps({METHOD: method, "Content-Type": JSON, **more}).encode()


@pytest.fixture
def schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every `run` count as decorated."""
    module = ModuleType("inference_schema.schema_util")
    module.is_schema_decorated = lambda run: True  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_the_body_goes_to_the_first_parameter_whatever_its_name():
    def run(text, more=1):
        return text, more

    assert inspect_run(run)("x", b"") == ("x", 1)


def test_headers_are_passed_by_name_without_the_method():
    def run(request_headers, raw_data):
        return raw_data, request_headers

    assert inspect_run(run)("x", headers(A="b")) == ("x", {"Content-Type": JSON, "A": "b"})


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


def test_raw_http_is_refused_if_its_package_is_installed(monkeypatch: pytest.MonkeyPatch):
    module = ModuleType("azureml_inference_server_http.api.aml_request")
    module._rawHttpRequested = True  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(TypeError, match=r"@rawhttp.*not supported on this machine; write run"):
        inspect_run(lambda request: 1)


def test_the_values_of_a_schema_are_passed_by_name(schema: None):
    def run(data, request_headers, factor=2):
        return data, factor, sorted(request_headers)

    call = inspect_run(run)
    assert call('{"data": [1], "other": 3}', headers(A="b")) == ([1], 2, ["A", "Content-Type"])
    assert call('{"data": 1, "factor": null}', headers())[:2] == (1, None)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "fault"),
    [
        ('{"data": 1}', "text/plain", 415, "content type must be application/json"),
        ('{"data": 1}', "", 415, "content type"),
        ("no json", JSON, 400, "must be JSON"),
        ("[" * 100_000, JSON, 400, "must be JSON"),
        ("", "application/problem+json", 400, "must be JSON"),
        ("[1]", "application/json; charset=utf-8", 400, "must be an object, got list"),
        ('{"datum": 1}', JSON, 400, 'must have the key "data"'),
    ],
)
def test_a_request_that_does_not_fit_the_schema_is_refused(
    schema: None, body: str, content_type: str, status: int, fault: str
):
    given = json.dumps({METHOD: "POST", "Content-Type": content_type}).encode()
    with pytest.raises(BadInputError, match=fault) as caught:
        inspect_run(lambda data: data)(body, given)
    assert caught.value.status == status


def test_a_query_needs_no_content_type(schema: None):
    assert inspect_run(lambda data: data)('{"data":1}', json.dumps({METHOD: "GET"}).encode()) == 1


def test_an_endpoint_serves_a_script_with_a_schema(changeable: Service):
    package = changeable.folder / "code" / "inference_schema"
    package.mkdir()
    (package / "schema_util.py").write_text(SCHEMA_UTIL)
    (package / "schema_decorators.py").write_text(DECORATORS)
    changeable.deploy(script=WITH_SCHEMA)
    typed = {"content-type": JSON}
    assert changeable.score('{"data": [1, 2]}', **typed).json() == [2, 4]
    with changeable.client as client:
        assert client.get("/score?data=[1]&factor=3").json() == [3]
    for body, kind, status in (
        ('{"data": [1]}', "text/plain", "415"),
        ("rubbish", JSON, "400"),
        ('{"data": 1}', JSON, "500"),
    ):
        reply = changeable.score(body, **{"content-type": kind})
        found = reply.status_code, reply.headers["ms-azureml-model-error-statuscode"]
        assert found == (424, status)
    answer = changeable.curl("-i", "-H", "content-type: text/plain", "-d", '{"data": [1]}')
    assert "ms-azureml-model-error-statuscode: 415" in answer


def test_an_endpoint_passes_the_headers_but_not_the_key(changeable: Service):
    changeable.deploy(script=WITH_HEADERS)
    reply = changeable.score("x", **{"X-Mine": "y", "content-type": "text/plain"})
    body, given = reply.json()
    assert (body, given["X-Mine"], given["Content-Type"]) == ("x", "y", "text/plain")
    assert not {"Authorization", METHOD} & given.keys()
    assert changeable.keys.primary not in reply.text


def test_a_script_with_raw_http_is_refused_with_a_remedy(changeable: Service):
    with pytest.raises(JobError, match=r"@rawhttp.*; write run\(raw_data\) or") as caught:
        changeable.deploy(script=RAW_HTTP)
    assert "\n" not in str(caught.value)
    assert changeable.score("none").status_code == 200
