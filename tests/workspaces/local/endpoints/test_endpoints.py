import fcntl
import json
import os
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from mnist_exp.config import RequestSettingsConfig
from mnist_exp.errors import ConfigError, NotFoundError, OutputsError, RefusedError
from mnist_exp.serving.files import EndpointState
from mnist_exp.specs import EndpointSpec
from mnist_exp.workspaces.local.endpoints import Endpoints, ModelFiles
from mnist_exp.workspaces.local.endpoints.server_processes import process_id
from mnist_exp.workspaces.local.endpoints.state_files import EndpointFolder
from tests.support.files import write_file
from tests.support.scripted_endpoint import NAME, WAITS_IN_RUN, ScriptedEndpoint
from tests.support.waiting import eventually


def test_a_new_endpoint_has_an_address_keys_and_no_traffic(scripted: ScriptedEndpoint):
    endpoint = scripted.endpoints.get(NAME)
    assert endpoint.provisioning_state == "Succeeded"
    assert endpoint.traffic == {}
    key = scripted.endpoints.keys(NAME).primary
    headers = {"authorization": f"Bearer {key}"}
    assert httpx.post(endpoint.scoring_uri, trust_env=False, headers=headers).status_code == 404
    keys = scripted.endpoints.keys(NAME)
    assert len({keys.primary, keys.secondary}) == 2
    assert min(len(keys.primary), len(keys.secondary)) >= 43


def test_an_endpoint_without_a_port_gets_one_at_the_next_update(tmp_path: Path):
    # A command that was killed before the front listened leaves such a record.
    scripted = ScriptedEndpoint(tmp_path)
    folder = EndpointFolder(scripted.root / "killed")
    with folder.locked():
        folder.save(EndpointState("killed"))
    assert scripted.endpoints.get("killed").scoring_uri is None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    scripted.endpoints.check_port("killed", port)
    endpoint = scripted.endpoints.create_or_update(EndpointSpec("killed", port=port))
    scripted.endpoints.delete("killed")
    assert endpoint.scoring_uri == f"http://127.0.0.1:{port}/score"


def test_an_update_keeps_all_that_it_does_not_name(scripted: ScriptedEndpoint):
    scripted.deploy()
    scripted.endpoints.create_or_update(EndpointSpec(NAME, description="d", traffic={"blue": 100}))
    keys = scripted.endpoints.keys(NAME)
    assert scripted.endpoints.create_or_update(EndpointSpec(NAME)).traffic == {"blue": 100}
    assert scripted.endpoints.keys(NAME) == keys
    assert json.loads((scripted.root / NAME / "endpoint.json").read_text())["description"] == "d"


def test_traffic_can_be_taken_away(scripted: ScriptedEndpoint):
    scripted.deploy()
    scripted.endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 100}))
    endpoint = scripted.endpoints.create_or_update(EndpointSpec(NAME, traffic={"blue": 0}))
    assert endpoint.traffic == {}


@pytest.mark.parametrize("traffic", [{"blue": 90}, {"green": 100}])
def test_wrong_traffic_changes_nothing(echoing: ScriptedEndpoint, traffic: dict[str, int]):
    with pytest.raises(ConfigError, match=r"endpoint\.traffic"):
        echoing.endpoints.create_or_update(EndpointSpec(NAME, traffic=traffic))
    assert echoing.endpoints.get(NAME).traffic == {}


def test_two_deployments_share_the_endpoints_address(scripted: ScriptedEndpoint):
    blue, green = scripted.deploy(), scripted.deploy(name="green")
    endpoint = scripted.endpoints.get(NAME)
    assert [deployment.name for deployment in endpoint.deployments] == ["blue", "green"]
    assert endpoint.scoring_uri == green.scoring_uri == blue.scoring_uri


def test_an_endpoint_keeps_the_port_of_its_spec(scripted: ScriptedEndpoint):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    scripted.endpoints.check_port("another", port)
    first = scripted.endpoints.create_or_update(EndpointSpec("another", port=port))
    assert first.scoring_uri == f"http://127.0.0.1:{port}/score"
    assert scripted.endpoints.create_or_update(EndpointSpec("another", port=port)) == first
    for change in (
        lambda: scripted.endpoints.create_or_update(EndpointSpec("another", port=port + 1)),
        lambda: scripted.endpoints.check_port("another", port + 1),
        lambda: scripted.endpoints.create_or_update(EndpointSpec("third", port=port)),
        lambda: scripted.endpoints.check_port("third", port),
    ):
        with pytest.raises(RefusedError, match=r"^endpoint\.port: "):
            change()
    # A refused endpoint does not exist, and has no folder.
    with pytest.raises(NotFoundError, match="no endpoint 'third' here"):
        scripted.endpoints.delete("third")
    assert not (scripted.root / "third").exists()


def test_an_endpoint_has_at_most_twenty_deployments(tmp_path: Path):
    scripted = ScriptedEndpoint(tmp_path)
    folder = EndpointFolder(scripted.root / NAME)
    with folder.locked():
        folder.save(EndpointState(NAME))
    for number in range(20):
        scripted.deployment(f"number-{number}").path.mkdir(parents=True)
    with pytest.raises(ConfigError, match="at most 20 deployments"):
        scripted.deploy(name="one-more")


@pytest.mark.parametrize(
    "name", ["", "ab", "../x", "a/b", "x" * 33, "ab-", "1ab", "abc\n", "a" * 999]
)
def test_a_name_is_checked_before_it_becomes_a_path(tmp_path: Path, name: str):
    scripted = ScriptedEndpoint(tmp_path)
    folder = EndpointFolder(scripted.root / NAME)
    with folder.locked():
        folder.save(EndpointState(NAME))
    calls = [
        lambda: scripted.endpoints.create_or_update(EndpointSpec(name)),
        lambda: scripted.deploy(endpoint=name),
        lambda: scripted.deploy(name=name),
        lambda: scripted.endpoints.get(name),
        lambda: scripted.endpoints.keys(name),
        lambda: scripted.endpoints.invoke(name, b"", None),
        lambda: scripted.endpoints.logs(name, "blue"),
        lambda: scripted.endpoints.delete(name),
    ]
    for call in calls:
        with pytest.raises(ConfigError, match=r"\.name: must be 3 to 32"):
            call()
    assert sorted(path.name for path in scripted.root.iterdir()) == [NAME]


def test_an_error_about_an_unknown_name_lists_the_known_names(echoing: ScriptedEndpoint):
    for call in (echoing.endpoints.get, echoing.endpoints.delete, echoing.endpoints.keys):
        with pytest.raises(NotFoundError, match=rf"^endpoint\.name: .*'other'.* {NAME}$"):
            call("other")
    with pytest.raises(NotFoundError, match=r"^endpoint\.deployment\.name: .*'green'.* blue$"):
        echoing.endpoints.logs(NAME, "green")
    with pytest.raises(NotFoundError, match="no endpoint"):
        echoing.deploy(endpoint="other")


def test_the_list_has_all_endpoints(tmp_path: Path):
    assert Endpoints(tmp_path / "nothing").list() == ()
    scripted = ScriptedEndpoint(tmp_path)
    for name in (NAME, "another"):
        folder = EndpointFolder(scripted.root / name)
        with folder.locked():
            folder.save(EndpointState(name))
    (scripted.root / "not-an-endpoint").mkdir()
    assert [endpoint.name for endpoint in scripted.endpoints.list()] == ["another", NAME]


def test_logs_contain_what_the_deployment_printed(echoing: ScriptedEndpoint):
    assert "init is here" in echoing.endpoints.logs(NAME, "blue")
    assert len(echoing.endpoints.logs(NAME, "blue", 1)) == 1


def test_delete_ends_all_processes_and_deletes_all_files(scripted: ScriptedEndpoint):
    uri = scripted.deploy().scoring_uri
    scripted.deploy(name="green")
    assert len(scripted.servers()) == 3
    scripted.endpoints.delete(NAME)
    assert scripted.servers() == []
    assert list(scripted.root.iterdir()) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(uri, trust_env=False)


def test_delete_waits_for_requests_in_progress(scripted: ScriptedEndpoint):
    scripted.deploy(WAITS_IN_RUN)
    uri = scripted.endpoints.get(NAME).deployments[0].scoring_uri
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(scripted.endpoints.invoke, NAME, b"", "blue")
        eventually(scripted.is_waiting)
        deleted = pool.submit(scripted.endpoints.delete, NAME)
        eventually(lambda: is_refused(uri))
        assert not deleted.done()
        (scripted.gate / "open").touch()
        assert answer.result() == "late"
        deleted.result()
    assert scripted.servers() == []


def test_delete_does_not_wait_for_a_script_that_never_returns(scripted: ScriptedEndpoint):
    scripted.deploy(WAITS_IN_RUN, request_settings=RequestSettingsConfig(100, 1))
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(scripted.endpoints.invoke, NAME, b"", "blue")
        eventually(scripted.is_waiting)
        scripted.endpoints.delete(NAME)
        assert "408" in str(answer.exception())
    assert scripted.servers() == []


def test_a_damaged_endpoint_can_be_deleted(scripted: ScriptedEndpoint):
    scripted.deploy()
    scripted.deployment().state_file.write_text("{")
    with pytest.raises(NotFoundError, match=r"deployment\.json: must be unchanged"):
        scripted.endpoints.get(NAME)
    scripted.endpoints.delete(NAME)
    assert scripted.servers() == []


def test_a_link_in_place_of_an_endpoint_is_deleted_without_its_target(tmp_path: Path):
    target = write_file(tmp_path / "elsewhere" / "endpoint.json", "{}").parent
    root = tmp_path / "endpoints"
    root.mkdir()
    endpoints = Endpoints(root)
    # An older version left such a link.
    (root / ".deleted-old").symlink_to(target, target_is_directory=True)
    (root / "linked").symlink_to(target, target_is_directory=True)
    endpoints.delete("linked")
    assert list(root.iterdir()) == []
    assert (target / "endpoint.json").exists()


def test_a_name_can_be_used_again(scripted: ScriptedEndpoint):
    scripted.deploy()
    keys = scripted.endpoints.keys(NAME)
    scripted.endpoints.delete(NAME)
    scripted.endpoints.create_or_update(EndpointSpec(NAME))
    assert scripted.endpoints.get(NAME).deployments == []
    assert scripted.endpoints.keys(NAME) != keys


def test_two_commands_cannot_change_an_endpoint_at_once(scripted: ScriptedEndpoint):
    with EndpointFolder(scripted.root / NAME).locked():
        for change in (scripted.deploy, lambda: scripted.endpoints.delete(NAME)):
            with pytest.raises(RefusedError, match="another command is changing this endpoint"):
                change()
    scripted.endpoints.delete(NAME)


def test_a_root_that_cannot_be_written_is_an_outputs_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputsError, match="outputs_dir"):
        Endpoints(tmp_path / "file" / "endpoints").create_or_update(EndpointSpec(NAME))


def test_a_claimed_deployment_is_creating_at_first_and_updating_later(scripted: ScriptedEndpoint):
    folder = scripted.deployment()
    folder.path.mkdir(parents=True)
    this = process_id(os.getpid())
    with folder.claimed(this):
        assert scripted.endpoints.get(NAME).deployments[0].provisioning_state == "Creating"
    scripted.deploy()
    with folder.claimed(this):
        assert scripted.endpoints.get(NAME).deployments[0].provisioning_state == "Updating"


def is_refused(uri: str) -> bool:
    try:
        httpx.get(uri, trust_env=False)
    except httpx.ConnectError:
        return True
    return False


@pytest.mark.parametrize("is_link", [True, False])
def test_a_file_or_broken_link_in_place_of_a_new_endpoint_is_named(tmp_path: Path, is_link: bool):
    taken = tmp_path / NAME
    if is_link:
        taken.symlink_to("nowhere")
    else:
        taken.touch()
    with pytest.raises(OutputsError, match=rf"^{taken}: .*File exists.*; rename or delete the"):
        Endpoints(tmp_path).create_or_update(EndpointSpec(NAME))


@pytest.mark.parametrize(
    "changed", [{"traffic": 5}, {"port": "a"}, {"name": [1]}, {"expires": "x"}, {"other": 1}]
)
def test_a_field_with_a_wrong_type_is_damage(tmp_path: Path, changed: dict[str, object]):
    folder = EndpointFolder(tmp_path / NAME)
    write_file(folder.state_file, json.dumps({"name": NAME, "expires": 5, **changed}))
    with pytest.raises(NotFoundError, match=r"endpoint\.json: must be unchanged .*\(TypeError\)"):
        folder.load()


def test_a_command_that_waited_for_a_deletion_finds_nothing(tmp_path: Path):
    """Another command deletes the endpoint or the deployment just before the lock is taken."""
    scripted = ScriptedEndpoint(tmp_path)
    folder = EndpointFolder(scripted.root / NAME)

    class Slow(EndpointFolder):
        """The folder as a command sees it that is slower than another command."""

        def locked(self) -> AbstractContextManager[None]:
            shutil.rmtree(self.path if self.deployments() == [] else scripted.deployment().path)
            return super().locked()

    def create() -> Endpoints:
        with folder.locked():
            folder.save(EndpointState(NAME))
        endpoints = scripted.endpoints
        endpoints._registry.folder = lambda name: Slow(folder.path)  # type: ignore[method-assign]
        return endpoints

    scripted.deployment().path.mkdir(parents=True)
    with pytest.raises(NotFoundError, match=r"has no deployment 'blue'; existing .*: none"):
        create().delete_deployment(NAME, "blue")
    for call in (
        lambda: create().delete_deployment(NAME, "blue"),
        lambda: create().deploy(scripted.spec(), ModelFiles(scripted.model, "digits", "3")),
        lambda: create().delete(NAME),
    ):
        with pytest.raises(NotFoundError, match=f"no endpoint '{NAME}' here"):
            call()
        assert not folder.path.exists()


def test_a_lock_of_a_deleted_folder_is_taken_again(tmp_path: Path, monkeypatch):
    """Another command deletes the folder after this command has opened the lock file."""
    folder = EndpointFolder(tmp_path / NAME)
    flock, calls = fcntl.flock, []

    def slow(file, operation):
        if not calls:
            shutil.rmtree(folder.path)
        calls.append(operation)
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", slow)
    with folder.locked():
        other = EndpointFolder(folder.path)
        with pytest.raises(RefusedError, match="another command is changing"), other.locked():
            pass
    assert len(calls) == 3
