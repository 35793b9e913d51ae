"""Kills, damaged files and deleted folders: no process stays that no endpoint needs."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_exp.errors import MnistExpError
from tests.support.scripted_endpoint import NAME, WAITS_IN_INIT, ScriptedEndpoint
from tests.support.waiting import eventually

#: A program that deploys.
COMMAND = """
import sys
from pathlib import Path
from mnist_exp.config import EnvConfig, EnvType
from mnist_exp.specs import DeploymentSpec
from mnist_exp.workspaces.local.endpoints import Endpoints, ModelFiles

root, code, model, gate = map(Path, sys.argv[1:])
spec = DeploymentSpec(
    endpoint="digits-endpoint", model="digits:3", name="blue", code=str(code),
    scoring_script="score.py", environment=EnvConfig(EnvType.local), instance_type="x",
    environment_variables={"GATE": str(gate)},
)
Endpoints(root).deploy(spec, ModelFiles(model, "digits", "3"))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_first_deployment_leaves_no_process(
    scripted: ScriptedEndpoint, number: signal.Signals
):
    with command(scripted, WAITS_IN_INIT) as deploying:
        eventually(scripted.is_waiting)
        deploying.send_signal(number)
    eventually(lambda: scripted.servers() == [scripted.front])
    (deployment,) = scripted.endpoints.get(NAME).deployments
    assert deployment.provisioning_state == "Failed"
    assert "deploy again" in deployment.why
    assert scripted.deploy().provisioning_state == "Succeeded"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_after_a_killed_update_the_previous_revision_serves(
    scripted: ScriptedEndpoint, number: signal.Signals
):
    scripted.deploy()
    before = sorted(process.pid for process in scripted.servers())
    with command(scripted, WAITS_IN_INIT) as deploying:
        eventually(scripted.is_waiting)
        assert scripted.endpoints.get(NAME).deployments[0].provisioning_state == "Updating"
        deploying.send_signal(number)
    eventually(lambda: sorted(one.pid for one in scripted.servers()) == before)
    assert scripted.endpoints.invoke(NAME, b"[1]", "blue") == [1]


def test_a_deployment_outlives_the_command_that_created_it(scripted: ScriptedEndpoint):
    with command(scripted, "def init(): pass\ndef run(raw_data): return 1") as deploying:
        assert deploying.wait() == 0
    assert scripted.endpoints.invoke(NAME, b"", "blue") == 1
    pid = scripted.front.pid
    # The front has no terminal, its own session and no standard input.
    assert os.getsid(pid) != os.getsid(0)
    assert os.getpgid(pid) != os.getpgid(0)
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert parent != os.getpid()


def test_an_endpoint_ends_when_its_folder_is_deleted(scripted: ScriptedEndpoint):
    scripted.deploy()
    shutil.rmtree(scripted.root)
    eventually(lambda: not scripted.servers())
    assert not scripted.root.exists()


def test_an_endpoint_deleted_during_a_deployment_ends(
    scripted: ScriptedEndpoint,
):
    with command(scripted, WAITS_IN_INIT) as deploying:
        eventually(scripted.is_waiting)
        shutil.rmtree(scripted.root)
        assert deploying.wait() != 0
    eventually(lambda: not scripted.servers())
    assert not scripted.root.exists()


def test_a_front_that_front_json_does_not_name_ends(scripted: ScriptedEndpoint):
    scripted.deploy()
    file = scripted.root / NAME / "front.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "pid": 1}))
    eventually(lambda: not scripted.servers())


def test_a_reused_process_id_is_not_taken_for_the_front(scripted: ScriptedEndpoint):
    scripted.deploy()
    file = scripted.root / NAME / "front.json"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        recycled = {**json.loads(file.read_text()), "pid": innocent.pid}
        file.write_text(json.dumps(recycled))
        assert scripted.endpoints.get(NAME).deployments[0].provisioning_state == "Failed"
        scripted.endpoints.delete(NAME)
        assert innocent.poll() is None
        innocent.kill()
    assert scripted.servers() == []


@pytest.mark.parametrize(
    "file", ["front.json", "endpoint.json", "deployments/blue/deployment.json"]
)
def test_delete_ends_all_processes_beside_a_damaged_file(scripted: ScriptedEndpoint, file: str):
    scripted.deploy()
    (scripted.root / NAME / file).write_text("{")
    scripted.endpoints.delete(NAME)
    assert scripted.servers() == []


def test_an_interrupted_deployment_keeps_only_its_log(
    scripted: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    saving = "mnist_exp.workspaces.local.endpoints.state_files.DeploymentFolder.save"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(saving, interrupted)
        scripted.deploy()
    eventually(lambda: scripted.servers() == [scripted.front])
    files = [path.name for path in scripted.deployment().revision(1).iterdir()]
    assert files == ["console.log"]


def test_a_command_killed_after_the_swap_has_deployed(
    scripted: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
):
    scripted.deploy()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    applying = "mnist_exp.workspaces.local.endpoints.front_client.FrontClient.apply"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(applying, interrupted)
        scripted.deploy("def init(): pass\ndef run(raw_data): return 'second'")
    eventually(lambda: scripted.endpoints.invoke(NAME, b"1", "blue") == "second")
    eventually(lambda: len(scripted.servers()) == 2)


def test_a_deployment_does_not_recreate_a_deleted_endpoint(
    scripted: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
):
    def vanishes(*_: object) -> None:
        shutil.rmtree(scripted.root)
        raise OSError("disk full")

    saving = "mnist_exp.workspaces.local.endpoints.state_files.DeploymentFolder.save"
    monkeypatch.setattr(saving, vanishes)
    with pytest.raises(MnistExpError):
        scripted.deploy()
    assert not scripted.root.exists()
    eventually(lambda: not scripted.servers())


def command(scripted: ScriptedEndpoint, source: str) -> "subprocess.Popen[bytes]":
    """Deploy in a process of its own."""
    arguments = [scripted.root, scripted.code(source), scripted.model, scripted.gate]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments)], stderr=subprocess.DEVNULL
    )
