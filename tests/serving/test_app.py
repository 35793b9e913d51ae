"""The statuses of a managed online endpoint, over real sockets."""

import socket
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import pytest

from mnist_exp import __version__
from mnist_exp.config import RequestSettingsConfig
from mnist_exp.serving.http_limits import HEAD_LIMIT, PAYLOAD_LIMIT
from tests.support.scoring_service import NAME, Service

FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("list", b'[1, "zwei", null, {"drei": 3.5}]'),
        ("text", rb'"{\"a\": 1}"'),
        ("none", b"{}"),
        ("größer", b'{"type": "str", "size": 6}'),
        ("", b'{"type": "str", "size": 0}'),
    ],
)
def test_the_result_of_run_is_json(service: Service, body: str, answer: bytes):
    reply = service.score(body)
    assert (reply.status_code, reply.content) == (200, answer)
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/", "/health"])
def test_health_needs_no_key(service: Service, path: str):
    with service.client as client:
        reply = client.get(path, headers={"authorization": ""})
    assert (reply.status_code, reply.text) == (200, "Healthy")


def test_either_key_opens(service: Service):
    for key in (service.keys.primary, service.keys.secondary):
        for scheme in ("Bearer", "bearer"):
            assert service.score("none", authorization=f"{scheme} {key}").status_code == 200


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer wrong", "Bearer é", "{key}", "Basic {key}"]
)
def test_a_wrong_key_or_scheme_is_401(service: Service, header: str):
    header = header.format(key=service.keys.primary)
    reply = service.score("none", authorization=header)
    assert reply.status_code == 401
    assert service.keys.primary not in reply.text


def test_a_shortened_or_lengthened_key_is_401(service: Service):
    key = service.keys.primary
    for wrong in (key[:-1], key + "x", key[:10], key.swapcase()):
        assert service.score("none", authorization=f"Bearer {wrong}").status_code == 401


def test_no_authorization_header_is_401(service: Service):
    with service.client as client:
        del client.headers["authorization"]
        assert client.post("/score").status_code == 401


def test_unknown_paths_are_404_and_other_methods_405(service: Service):
    with service.client as client:
        assert client.post("/other").status_code == 404
        assert client.get("/../keys.json").status_code == 404
        # A managed endpoint has no CORS, so it refuses OPTIONS too.
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
            reply = client.request(method, "/score")
            assert (reply.status_code, reply.headers["allow"]) == (405, "GET, POST")
            assert reply.json() == {"message": "Method not allowed"}


def test_a_header_with_an_unknown_deployment_is_404(service: Service):
    header = "azureml-model-deployment"
    assert service.score("none", **{header: "blue"}).status_code == 200
    reply = service.score("none", **{header: "green"})
    assert (reply.status_code, "no such deployment" in reply.text) == (404, True)


def test_a_query_reaches_run_as_json_text(service: Service):
    # Values are JSON where they can be, as on Azure ML's server.
    with service.client as client:
        assert client.get("/score?a=1&b=x+y&c=true&c=t&d=").json() == "asked"


def test_a_body_that_is_not_utf8_is_the_containers_400(service: Service):
    reply = service.score(b"\xff\xfe")
    assert (reply.status_code, reply.headers["ms-azureml-model-error-statuscode"]) == (424, "400")
    assert "UTF-8" in reply.json()["message"]


def test_a_body_beyond_the_limit_is_413(service: Service):
    assert service.score(b"x" * PAYLOAD_LIMIT).json()["size"] == PAYLOAD_LIMIT
    assert service.score(b"x" * (PAYLOAD_LIMIT + 1)).status_code == 413


def test_a_body_of_unknown_length_is_413_as_soon_as_it_is_too_large(service: Service):
    def chunks() -> Iterator[bytes]:
        for _ in range(12):
            yield b"x" * 1024 * 1024

    with service.client as client:
        assert client.post("/score", content=chunks()).status_code == 413
        # The endpoint closes the connection, and httpx opens another one.
        assert client.post("/score", content="none").status_code == 200


@pytest.mark.parametrize("body", ["fail", "out of range"])
def test_a_failing_script_is_424_with_the_containers_500(service: Service, body: str):
    reply = service.score(body)
    assert (reply.status_code, reply.json()) == (424, {"message": FAILED})
    assert reply.headers["ms-azureml-model-error-statuscode"] == "500"
    assert reply.headers["ms-azureml-model-error-reason"] == "model_error"
    assert reply.headers["x-ms-run-function-failed"] == "True"
    good = service.score("none")
    assert good.status_code == 200
    assert good.headers["x-ms-run-function-failed"] == "False"
    assert good.headers["x-ms-server-version"] == f"mnist-exp/{__version__}"


@pytest.mark.parametrize("body", ["leave", "numpy"])
def test_what_the_server_cannot_answer_is_the_containers_500(service: Service, body: str):
    reply = service.score(body)
    assert reply.status_code == 424
    assert reply.headers["ms-azureml-model-error-statuscode"] == "500"
    assert reply.headers["x-ms-run-function-failed"] == "False"
    assert "internal error" in reply.json()["message"]
    assert service.score("none").status_code == 200


def test_a_request_that_the_container_refuses_is_no_failure_of_the_deployment(service: Service):
    before = service.endpoints.statistics(NAME)["blue"]
    assert service.score("none", expect="more").status_code == 424
    assert service.endpoints.statistics(NAME)["blue"].failures == before.failures


def test_an_exception_of_the_script_is_only_in_the_log_with_the_request_id(service: Service):
    reply = service.score("fail")
    log = service.log.read_text()
    request_id = reply.headers["x-request-id"]
    assert f"request {request_id} failed: ValueError: a secret of the script" in log
    assert 'score.py", line 15, in fail' in log.split(request_id)[1]
    assert "secret" not in reply.text


def test_an_answer_names_its_deployment_and_the_time_of_run(service: Service):
    reply = service.score("none")
    assert reply.headers["azureml-model-deployment"] == "blue"
    assert float(reply.headers["x-ms-run-fn-exec-ms"]) > 0


def test_swagger_needs_the_key_and_describes_score(service: Service):
    with service.client as client:
        for query, version in (
            ("", "swagger"),
            ("?version=2", "swagger"),
            ("?version=3", "openapi"),
        ):
            found = client.get(f"/swagger.json{query}").json()
            assert version in found
            assert set(found["paths"]["/score"]["post"]["responses"]) >= {"200", "401", "424"}
        assert client.get("/swagger.json?version=4").status_code == 404
        assert client.get("/swagger.json", headers={"authorization": ""}).status_code == 401


def test_an_answer_has_ids_and_repeats_the_clients_id(service: Service):
    first = service.score("none", **{"x-ms-client-request-id": "mine"})
    second = service.score("none", authorization="")
    for reply in (first, second):
        assert reply.headers["x-request-id"] == reply.headers["x-ms-request-id"]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert first.headers["x-ms-client-request-id"] == "mine"
    assert "x-ms-client-request-id" not in second.headers


def test_a_client_id_of_more_than_100_characters_is_the_containers_431(service: Service):
    assert service.score("none", **{"x-ms-client-request-id": "x" * 100}).status_code == 200
    reply = service.score("none", **{"x-ms-client-request-id": "x" * 101})
    assert (reply.status_code, reply.headers["ms-azureml-model-error-statuscode"]) == (424, "431")
    assert reply.headers["x-request-id"]


def test_init_and_run_have_the_main_thread(service: Service):
    assert service.score("thread").json() is True


def test_two_workers_take_two_requests_at_a_time(changeable: Service):
    variables = {"WORKER_COUNT": "2", "GATE": str(changeable.gate), "COLOUR": "blue"}
    changeable.deploy(environment_variables=variables)
    with ThreadPoolExecutor() as pool:
        assert [reply.json() for reply in pool.map(changeable.score, ["meet"] * 2)] == ["met"] * 2


def test_more_than_twice_as_many_pending_requests_are_429(changeable: Service):
    changeable.deploy(request_settings=RequestSettingsConfig(20_000, 1))
    with ThreadPoolExecutor(3) as pool:
        replies = [pool.submit(changeable.score, "wait") for _ in range(3)]
        done, waiting = wait(replies, timeout=60, return_when=FIRST_COMPLETED)
        assert [reply.result().status_code for reply in done] == [429]
        (changeable.gate / "open").touch()
        assert [reply.result().json() for reply in waiting] == ["waited"] * 2
    assert changeable.score("none").status_code == 200


def test_no_answer_in_time_is_408_and_the_worker_stays(impatient: Service):
    reply = impatient.score("wait")
    assert (reply.status_code, "request_timeout_ms, 300" in reply.text) == (408, True)
    # This request waits for the one that still runs, and times out too.
    assert impatient.score("list").status_code == 408
    (impatient.gate / "open").touch()
    while impatient.score("none").status_code != 200:
        pass
    assert impatient.endpoints.statistics(NAME)["blue"].restarts == 0


def test_a_slow_sender_is_408_and_blocks_no_other_request(impatient: Service):
    before = impatient.endpoints.statistics(NAME)["blue"].failures
    key = impatient.keys.primary.encode()
    head = b"POST /score HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + key
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=60) as slow:
        slow.sendall(head + b"\r\ncontent-length: 100\r\n\r\nlist")
        # On a busy machine, an answer may take longer than request_timeout_ms.
        while impatient.score("list").status_code != 200:
            before += 1
        assert slow.recv(100).startswith(b"HTTP/1.1 408")
        # The endpoint closes the connection: nobody reads the rest of the body.
        while slow.recv(1000):
            pass
    # The slow sender says nothing about the deployment.
    assert impatient.endpoints.statistics(NAME)["blue"].failures == before


def test_a_message_that_is_not_http_is_400(service: Service):
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as wild:
        wild.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        answer = wild.recv(1000)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"\r\nx-ms-request-id: " in answer
    assert b"\r\ncontent-type: application/json" in answer
    assert service.score("none").status_code == 200


def test_endless_headers_are_431(service: Service):
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as wild:
        wild.sendall(b"POST /score HTTP/1.1\r\nx: " + b"x" * (HEAD_LIMIT + 10))
        answer = wild.recv(1000)
        assert answer.startswith(b"HTTP/1.1 431")
        assert b"\r\nx-ms-request-id: " in answer
        while wild.recv(1000):
            pass
    assert service.score("none").status_code == 200


def test_large_headers_below_the_limit_are_accepted(service: Service):
    headers = {f"x{number}": "x" * 8000 for number in range(HEAD_LIMIT // 9000)}
    assert service.score("none", **headers).status_code == 200


def test_pipelined_requests_are_answered_in_order(service: Service):
    key = service.keys.primary.encode()
    one = b"POST /score HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + key
    one += b"\r\ncontent-length: 4\r\n\r\nnone"
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as eager:
        eager.sendall(one * 1000)
        answers = b""
        while answers.count(b"\r\n\r\n{}") < 1000:
            received = eager.recv(65536)
            assert received
            answers += received
    assert answers.count(b"HTTP/1.1 200 OK") == 1000
