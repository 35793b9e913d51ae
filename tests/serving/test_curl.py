"""The contract of a request once more with curl, an independent HTTP client."""

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from mnist_exp import __version__
from mnist_exp.config import RequestSettingsConfig
from mnist_exp.serving.http_limits import PAYLOAD_LIMIT
from tests.support.scoring_service import Service
from tests.support.waiting import eventually

DEPLOYMENT = "azureml-model-deployment"


@pytest.mark.parametrize(
    ("arguments", "path", "answer"),
    [
        (["-d", "list"], "/score", '[1, "zwei", null, {"drei": 3.5}] 200'),
        (["-d", "text"], "/score", r'"{\"a\": 1}" 200'),
        ([], "/score?a=1&b=x+y&c=true&c=t&d=", '"asked" 200'),
        ([], "/", "Healthy 200"),
        (["-H", "authorization:"], "/health", "Healthy 200"),
        (["-d", "list", "-H", "authorization:"], "/score", " 401"),
        (["-d", "list", "-H", "authorization: Bearer wrong"], "/score", " 401"),
        (["-d", "list", "-H", f"{DEPLOYMENT}: nobody"], "/score", " 404"),
        (["-d", "list"], "/other", " 404"),
        (["-X", "PUT", "-d", "list"], "/score", '{"message":"Method not allowed"} 405'),
        (["-X", "OPTIONS"], "/score", '{"message":"Method not allowed"} 405'),
        (["-H", "authorization:"], "/swagger.json", " 401"),
    ],
)
def test_answers(service: Service, arguments: list[str], path: str, answer: str):
    assert service.curl(*arguments, path=path).endswith(answer)


@pytest.mark.parametrize("query", ["", "?version=2", "?version=3"])
def test_swagger(service: Service, query: str):
    answer = service.curl(path=f"/swagger.json{query}")
    assert ('"/score"' in answer, answer[-4:]) == (True, " 200")


@pytest.mark.parametrize(
    ("body", "more", "container"),
    [
        (b"fail", [], "500"),
        (b"\xff\xfe", [], "400"),
        (b"list", ["-H", "x-ms-client-request-id: " + "x" * 101], "431"),
    ],
)
def test_two_headers_give_the_containers_answer(
    service: Service, tmp_path: Path, body: bytes, more: list[str], container: str
):
    (tmp_path / "body").write_bytes(body)
    answer = service.curl("-i", "--data-binary", f"@{tmp_path / 'body'}", *more).lower()
    assert answer.endswith(" 424")
    assert f"ms-azureml-model-error-statuscode: {container}" in answer
    assert "ms-azureml-model-error-reason: model_error" in answer
    assert ("x-ms-run-function-failed: true" in answer) == (container == "500")


def test_the_default_content_type_of_curl_is_a_form(service: Service):
    form = ("-H", "content-type: application/x-www-form-urlencoded")
    assert service.curl("-d", "list", *form) == '{"type": "str", "size": 0} 200'


def test_the_headers_of_an_answer(service: Service):
    answer = service.curl("-i", "-d", "list", "-H", "x-ms-client-request-id: mine").lower()
    assert f"x-ms-server-version: mnist-exp/{__version__}" in answer
    assert "x-ms-client-request-id: mine" in answer
    assert f"{DEPLOYMENT}: blue" in answer
    for name in ("x-ms-run-fn-exec-ms", "x-request-id", "x-ms-request-id"):
        assert f"\n{name}: " in answer


def test_a_body_that_is_too_large(service: Service, tmp_path: Path):
    large = tmp_path / "large"
    large.write_bytes(b"x" * (PAYLOAD_LIMIT + 1))
    assert service.curl("-d", f"@{large}").endswith(" 413")
    assert service.curl("-H", "transfer-encoding: chunked", "-d", f"@{large}").endswith(" 413")


def test_traffic_deployment_header_and_mirror(own: Service):
    own.deploy("green")
    own.update(traffic={"blue": 0})
    assert own.curl("-d", "note").endswith(" 404")
    assert own.curl("-d", "note", "-H", f"{DEPLOYMENT}: green") == '"green" 200'
    own.update(traffic={"blue": 100}, mirror_traffic={"green": 50})
    before = own.noted("green")
    assert {own.curl("-d", "note") for _ in range(30)} == {'"blue" 200'}
    eventually(lambda: own.noted("green") > before)


def test_a_request_that_kills_its_workers(changeable: Service):
    assert changeable.curl("-d", "die").endswith(" 502")
    assert changeable.curl("-d", "none") == "{} 200"


def test_too_many_requests(changeable: Service):
    changeable.deploy(request_settings=RequestSettingsConfig(20_000, 1))
    with ThreadPoolExecutor(3) as pool:
        replies = [pool.submit(changeable.curl, "-d", "wait") for _ in range(3)]
        wait(replies, return_when=FIRST_COMPLETED)
        (changeable.gate / "open").touch()
        statuses = sorted(reply.result()[-3:] for reply in replies)
    assert statuses == ["200", "200", "429"]


def test_a_request_that_takes_too_long(impatient: Service):
    (impatient.gate / "open").unlink(missing_ok=True)
    assert impatient.curl("-d", "wait").endswith(" 408")
    (impatient.gate / "open").touch()
    while impatient.score("none").status_code != 200:
        pass
