import socket
from urllib.parse import urlsplit

import pytest

from mnist_exp.config import RequestSettingsConfig
from mnist_exp.errors import EndpointError, RefusedError
from mnist_exp.specs import EndpointSpec
from mnist_exp.workspaces.local.endpoints.process_identity import end_left_below
from tests.workspaces.local.endpoints.bench import Bench

NAME = "digits-endpoint"
RAISES = """
def init():
    pass

def run(raw_data):
    raise ValueError("row 0 must hold 784 pixels,\\n got " + raw_data)
"""


def test_without_traffic_it_is_404_and_the_error_says_how_to_set_it(bench: Bench):
    bench.deploy()
    with pytest.raises(EndpointError, match=r"404, no deployment has traffic.*\{blue: 100\}"):
        bench.endpoints.invoke(NAME, b"1")


def test_with_nothing_deployed_the_error_says_to_deploy_first(bench: Bench):
    bench.endpoints.create_or_update(EndpointSpec(NAME))
    with pytest.raises(EndpointError, match=f"nothing is deployed; deploy first .*name={NAME}$"):
        bench.endpoints.invoke(NAME, b"1")


def test_traffic_decides_who_answers(bench: Bench):
    bench.deploy("def init(): pass\ndef run(raw_data): return 'blue'")
    bench.deploy("def init(): pass\ndef run(raw_data): return 'green'", "green")
    bench.endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 50, "green": 50}))
    bench.eventually(lambda: bench.endpoints.invoke(NAME, b"") == "green")
    bench.eventually(lambda: bench.endpoints.invoke(NAME, b"") == "blue")
    bench.endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 100}))
    assert {bench.endpoints.invoke(NAME, b"") for _ in range(10)} == {"blue"}
    assert bench.endpoints.invoke(NAME, b"", "green") == "green"


def test_an_unknown_deployment_is_404_and_the_known_ones_are_listed(bench: Bench):
    bench.deploy()
    for name in ("green", "../blue"):
        with pytest.raises(EndpointError, match="404, no such deployment; there are: blue"):
            bench.endpoints.invoke(NAME, b"1", name)


def test_what_run_raised_is_shown_with_the_log(bench: Bench):
    log = bench.deploy(RAISES).log
    with pytest.raises(EndpointError) as caught:
        bench.endpoints.invoke(NAME, b"3", "blue")
    text = str(caught.value)
    assert text.startswith(f"endpoint {NAME}, deployment blue: answered 424: An unexpected error")
    assert "run() raised ValueError: row 0 must hold 784 pixels, got 3" in text
    assert text.endswith(f"log: {log}")


def test_another_refusal_has_status_and_reason(bench: Bench):
    bench.deploy(bench.waits_in_run, request_settings=RequestSettingsConfig(50, 1))
    with pytest.raises(EndpointError, match="answered 408: no answer within request_timeout_ms"):
        bench.endpoints.invoke(NAME, b"", "blue")


def test_a_front_that_is_gone_comes_back_with_the_next_request(bench: Bench):
    before = bench.deploy()
    end_left_below(bench.folder)
    endpoint = bench.endpoints.get(NAME)
    assert endpoint.provisioning_state == "Failed"
    assert "stage=invoke or stage=deploy brings it back" in endpoint.deployments[0].why
    assert bench.endpoints.invoke(NAME, b"[1]", "blue") == [1]
    assert bench.endpoints.get(NAME).deployments == [before]


def test_workers_that_die_while_they_answer_are_an_error_that_says_so(bench: Bench):
    bench.deploy("import os\ndef init(): pass\ndef run(raw_data): os._exit(1)")
    with pytest.raises(EndpointError, match="502: the workers ended under this request"):
        bench.endpoints.invoke(NAME, b"1", "blue")


def test_the_key_goes_to_no_other_program_that_has_the_port_by_now(bench: Bench):
    bench.deploy()
    port = urlsplit(bench.endpoints.get(NAME).scoring_uri).port
    end_left_below(bench.folder)
    with socket.create_server(("127.0.0.1", port)) as other:
        with pytest.raises(RefusedError, match=rf"^endpoint\.port: .*got {port}"):
            bench.endpoints.invoke(NAME, b"1", "blue")
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_a_proxy_of_the_environment_is_not_asked(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    bench.deploy()
    assert bench.endpoints.invoke(NAME, b'{"a": null}', "blue") == {"a": None}
