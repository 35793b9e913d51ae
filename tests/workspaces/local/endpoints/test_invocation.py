import socket
from urllib.parse import urlsplit

import pytest

from mnist_exp.config import RequestSettingsConfig
from mnist_exp.errors import EndpointError, RefusedError
from mnist_exp.specs import EndpointSpec
from mnist_exp.workspaces.local.endpoints.server_processes import kill_processes_below
from tests.support.scripted_endpoint import NAME, WAITS_IN_RUN, ScriptedEndpoint
from tests.support.waiting import eventually

RAISES = """
def init():
    pass

def run(raw_data):
    raise ValueError("row 0 must hold 784 pixels,\\n got " + raw_data)
"""


def test_without_traffic_the_error_shows_how_to_set_it(echoing: ScriptedEndpoint):
    with pytest.raises(EndpointError, match=r"404, no deployment has traffic.*\{blue: 100\}"):
        echoing.endpoints.invoke(NAME, b"1")


def test_without_a_deployment_the_error_shows_how_to_deploy(scripted: ScriptedEndpoint):
    scripted.endpoints.create_or_update(EndpointSpec(NAME))
    with pytest.raises(EndpointError, match=f"nothing is deployed; deploy first .*name={NAME}$"):
        scripted.endpoints.invoke(NAME, b"1")


def test_traffic_decides_which_deployment_answers(scripted: ScriptedEndpoint):
    scripted.deploy("def init(): pass\ndef run(raw_data): return 'blue'")
    scripted.deploy("def init(): pass\ndef run(raw_data): return 'green'", "green")
    scripted.endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 50, "green": 50}))
    eventually(lambda: scripted.endpoints.invoke(NAME, b"") == "green")
    eventually(lambda: scripted.endpoints.invoke(NAME, b"") == "blue")
    scripted.endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 100}))
    assert {scripted.endpoints.invoke(NAME, b"") for _ in range(10)} == {"blue"}
    assert scripted.endpoints.invoke(NAME, b"", "green") == "green"


def test_an_error_about_an_unknown_deployment_lists_the_known_ones(echoing: ScriptedEndpoint):
    for name in ("green", "../blue"):
        with pytest.raises(EndpointError, match=r"404, no such deployment.*: blue$"):
            echoing.endpoints.invoke(NAME, b"1", name)


def test_an_error_shows_what_run_raised_and_the_log(scripted: ScriptedEndpoint):
    log = scripted.deploy(RAISES).log
    with pytest.raises(EndpointError) as caught:
        scripted.endpoints.invoke(NAME, b"3", "blue")
    text = str(caught.value)
    assert text.startswith(f"endpoint {NAME}, deployment blue: answered 424: An unexpected error")
    assert "run() raised ValueError: row 0 must hold 784 pixels, got 3" in text
    assert text.endswith(f"log: {log}")


def test_an_error_shows_the_status_and_its_reason(scripted: ScriptedEndpoint):
    scripted.deploy(WAITS_IN_RUN, request_settings=RequestSettingsConfig(50, 1))
    with pytest.raises(EndpointError, match="answered 408: no answer within request_timeout_ms"):
        scripted.endpoints.invoke(NAME, b"", "blue")


def test_the_next_request_restarts_a_killed_front(scripted: ScriptedEndpoint):
    before = scripted.deploy()
    kill_processes_below(scripted.folder)
    endpoint = scripted.endpoints.get(NAME)
    assert endpoint.provisioning_state == "Failed"
    assert "stage=invoke or stage=deploy" in endpoint.deployments[0].why
    assert scripted.endpoints.invoke(NAME, b"[1]", "blue") == [1]
    assert scripted.endpoints.get(NAME).deployments == [before]


def test_an_error_reports_workers_that_ended_under_the_request(scripted: ScriptedEndpoint):
    scripted.deploy("import os\ndef init(): pass\ndef run(raw_data): os._exit(1)")
    with pytest.raises(EndpointError, match="answered 502: "):
        scripted.endpoints.invoke(NAME, b"1", "blue")


def test_the_key_is_not_sent_to_another_program_on_the_port(scripted: ScriptedEndpoint):
    scripted.deploy()
    port = urlsplit(scripted.endpoints.get(NAME).scoring_uri).port
    kill_processes_below(scripted.folder)
    with socket.create_server(("127.0.0.1", port)) as other:
        with pytest.raises(RefusedError, match=rf"^endpoint\.port: .*got {port}"):
            scripted.endpoints.invoke(NAME, b"1", "blue")
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_requests_do_not_go_through_a_proxy(
    echoing: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert echoing.endpoints.invoke(NAME, b'{"a": null}', "blue") == {"a": None}
