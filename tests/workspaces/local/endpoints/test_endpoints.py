import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from mnist_exp.config import RequestSettingsConfig
from mnist_exp.errors import ConfigError, NotFoundError, OutputsError, RefusedError
from mnist_exp.serving.files import EndpointRecord
from mnist_exp.specs import EndpointSpec
from mnist_exp.workspaces.local.endpoints import Endpoints
from mnist_exp.workspaces.local.endpoints.process_identity import process_id
from mnist_exp.workspaces.local.endpoints.state_files import EndpointFolder
from tests.workspaces.local.endpoints.bench import Bench

NAME = "digits-endpoint"


def test_a_fresh_endpoint_has_an_address_keys_and_no_traffic(bench: Bench):
    endpoint = bench.endpoints.get(NAME)
    assert endpoint.provisioning_state == "Succeeded"
    assert endpoint.traffic == {}
    key = bench.endpoints.keys(NAME).primary
    headers = {"authorization": f"Bearer {key}"}
    assert httpx.post(endpoint.scoring_uri, trust_env=False, headers=headers).status_code == 404
    keys = bench.endpoints.keys(NAME)
    assert len({keys.primary, keys.secondary}) == 2
    assert min(len(keys.primary), len(keys.secondary)) >= 43


def test_an_endpoint_whose_command_was_killed_before_it_had_a_port_gets_one(bench: Bench):
    folder = EndpointFolder(bench.root / "killed")
    with folder.locked():
        folder.save(EndpointRecord("killed"))
    assert bench.endpoints.get("killed").scoring_uri is None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bench.endpoints.check_port("killed", port)
    endpoint = bench.endpoints.create_or_update(EndpointSpec("killed", port=port))
    assert endpoint.scoring_uri == f"http://127.0.0.1:{port}/score"


def test_an_update_keeps_keys_traffic_and_what_it_does_not_name(bench: Bench):
    bench.deploy()
    bench.endpoints.create_or_update(EndpointSpec(NAME, description="d", traffic={"blue": 100}))
    keys = bench.endpoints.keys(NAME)
    assert bench.endpoints.create_or_update(EndpointSpec(NAME)).traffic == {"blue": 100}
    assert bench.endpoints.keys(NAME) == keys
    assert json.loads((bench.root / NAME / "endpoint.json").read_text())["description"] == "d"


def test_traffic_can_be_taken_away(bench: Bench):
    bench.deploy()
    bench.endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 100}))
    endpoint = bench.endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 0}))
    assert endpoint.traffic == {}


@pytest.mark.parametrize("traffic", [{"blue": 90}, {"green": 100}])
def test_wrong_traffic_changes_nothing(bench: Bench, traffic: dict[str, int]):
    bench.deploy()
    with pytest.raises(ConfigError, match=r"endpoint\.traffic"):
        bench.endpoints.create_or_update(EndpointSpec(NAME, traffic=traffic))
    assert bench.endpoints.get(NAME).traffic == {}


def test_two_deployments_have_the_endpoints_one_address(bench: Bench):
    blue, green = bench.deploy(), bench.deploy(name="green")
    endpoint = bench.endpoints.get(NAME)
    assert [deployment.name for deployment in endpoint.deployments] == ["blue", "green"]
    assert endpoint.scoring_uri == green.scoring_uri == blue.scoring_uri


def test_the_port_asked_for_stays(bench: Bench):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bench.endpoints.check_port("another", port)
    first = bench.endpoints.create_or_update(EndpointSpec("another", port=port))
    assert first.scoring_uri == f"http://127.0.0.1:{port}/score"
    assert bench.endpoints.create_or_update(EndpointSpec("another", port=port)) == first
    for change in (
        lambda: bench.endpoints.create_or_update(EndpointSpec("another", port=port + 1)),
        lambda: bench.endpoints.check_port("another", port + 1),
        lambda: bench.endpoints.create_or_update(EndpointSpec("third", port=port)),
        lambda: bench.endpoints.check_port("third", port),
    ):
        with pytest.raises(RefusedError, match=r"^endpoint\.port: "):
            change()
    # What was refused is not there, nor is anything left of it.
    with pytest.raises(NotFoundError, match="no endpoint 'third' here"):
        bench.endpoints.delete("third")
    assert not (bench.root / "third").exists()


def test_an_endpoint_has_at_most_twenty_deployments(bench: Bench):
    for number in range(20):
        bench.deployment(f"number-{number}").path.mkdir(parents=True)
    with pytest.raises(ConfigError, match="at most 20 deployments"):
        bench.deploy(name="one-more")


@pytest.mark.parametrize(
    "name", ["", "ab", "../x", "a/b", "x" * 33, "ab-", "1ab", "abc\n", "a" * 999]
)
def test_a_name_is_checked_before_it_touches_the_disk(bench: Bench, name: str):
    calls = [
        lambda: bench.endpoints.create_or_update(EndpointSpec(name)),
        lambda: bench.deploy(endpoint=name),
        lambda: bench.deploy(name=name),
        lambda: bench.endpoints.get(name),
        lambda: bench.endpoints.keys(name),
        lambda: bench.endpoints.invoke(name, b"", None),
        lambda: bench.endpoints.logs(name, "blue"),
        lambda: bench.endpoints.delete(name),
    ]
    for call in calls:
        with pytest.raises(ConfigError, match=r"\.name: must be 3 to 32"):
            call()
    assert sorted(path.name for path in bench.root.iterdir()) == [NAME]


def test_unknown_names_are_answered_with_the_known_ones(bench: Bench):
    bench.deploy()
    for call in (bench.endpoints.get, bench.endpoints.delete, bench.endpoints.keys):
        with pytest.raises(NotFoundError, match=rf"no endpoint 'other' here; there are: {NAME}"):
            call("other")
    with pytest.raises(NotFoundError, match="no deployment 'green'; there are: blue"):
        bench.endpoints.logs(NAME, "green")
    with pytest.raises(NotFoundError, match="no endpoint"):
        bench.deploy(endpoint="other")


def test_the_list_has_all_endpoints(bench: Bench):
    assert Endpoints(bench.folder / "nothing").list() == ()
    bench.endpoints.create_or_update(EndpointSpec("another"))
    (bench.root / "not-an-endpoint").mkdir()
    assert [endpoint.name for endpoint in bench.endpoints.list()] == ["another", NAME]


def test_logs_are_what_the_deployment_printed(bench: Bench):
    bench.deploy()
    assert "init is here" in bench.endpoints.logs(NAME, "blue")
    assert len(bench.endpoints.logs(NAME, "blue", 1)) == 1


def test_delete_ends_every_process_and_leaves_no_file(bench: Bench):
    uri = bench.deploy().scoring_uri
    bench.deploy(name="green")
    assert len(bench.servers()) == 3
    bench.endpoints.delete(NAME)
    assert bench.servers() == []
    assert list(bench.root.iterdir()) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(uri, trust_env=False)


def test_delete_waits_for_the_answers_under_way(bench: Bench):
    bench.deploy(bench.waits_in_run)
    uri = bench.endpoints.get(NAME).deployments[0].scoring_uri
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(bench.endpoints.invoke, NAME, b"", "blue")
        bench.eventually(bench.begun)
        deleted = pool.submit(bench.endpoints.delete, NAME)
        bench.eventually(lambda: is_refused(uri))
        assert not deleted.done()
        (bench.gate / "open").touch()
        assert answer.result() == "late"
        deleted.result()
    assert bench.servers() == []


def test_delete_does_not_wait_for_a_script_that_never_returns(bench: Bench):
    bench.deploy(bench.waits_in_run, request_settings=RequestSettingsConfig(100, 1))
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(bench.endpoints.invoke, NAME, b"", "blue")
        bench.eventually(bench.begun)
        bench.endpoints.delete(NAME)
        assert "408" in str(answer.exception())
    assert bench.servers() == []


def test_a_damaged_endpoint_can_be_deleted(bench: Bench):
    bench.deploy()
    bench.deployment().record_file.write_text("{")
    with pytest.raises(NotFoundError, match=r"deployment\.json: must be a file as mnist-exp"):
        bench.endpoints.get(NAME)
    bench.endpoints.delete(NAME)
    assert bench.servers() == []


def test_a_name_can_be_used_again(bench: Bench):
    bench.deploy()
    keys = bench.endpoints.keys(NAME)
    bench.endpoints.delete(NAME)
    bench.endpoints.create_or_update(EndpointSpec(NAME))
    assert bench.endpoints.get(NAME).deployments == []
    assert bench.endpoints.keys(NAME) != keys


def test_while_another_command_changes_the_endpoint_it_is_a_conflict(bench: Bench):
    with EndpointFolder(bench.root / NAME).locked():
        for change in (bench.deploy, lambda: bench.endpoints.delete(NAME)):
            with pytest.raises(RefusedError, match="another command is changing this endpoint"):
                change()
    bench.endpoints.delete(NAME)


def test_a_root_that_cannot_be_written_is_an_outputs_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputsError, match="outputs_dir"):
        Endpoints(tmp_path / "file" / "endpoints").create_or_update(EndpointSpec(NAME))


def test_a_deployment_being_made_is_creating_and_then_updating(bench: Bench):
    folder = bench.deployment()
    folder.path.mkdir(parents=True)
    this = process_id(os.getpid())
    with folder.claimed(this):
        assert bench.endpoints.get(NAME).deployments[0].provisioning_state == "Creating"
    bench.deploy()
    with folder.claimed(this):
        assert bench.endpoints.get(NAME).deployments[0].provisioning_state == "Updating"


def is_refused(uri: str) -> bool:
    try:
        httpx.get(uri, trust_env=False)
    except httpx.ConnectError:
        return True
    return False
