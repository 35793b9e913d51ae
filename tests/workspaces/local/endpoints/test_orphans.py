"""No process outlives its reason, however the command that made it ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_exp.errors import MnistExpError
from tests.workspaces.local.endpoints.bench import Bench

NAME = "digits-endpoint"
COMMAND = """
import sys
from pathlib import Path
from mnist_exp.config import (EnvConfig, EnvType)
from mnist_exp.specs import DeploymentSpec
from mnist_exp.workspaces.local.endpoints import Endpoints, ModelFiles

root, code, model, gate = map(Path, sys.argv[1:])
spec = DeploymentSpec(
    endpoint="digits-endpoint", model="digits:3", name="blue", code=code,
    scoring_script="score.py", environment=EnvConfig(EnvType.local), instance_type="x",
    environment_variables={"GATE": str(gate)},
)
Endpoints(root).deploy(spec, ModelFiles(model, "digits", "3"))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_command_that_is_ended_while_it_deploys_leaves_no_process(
    bench: Bench, number: signal.Signals
):
    with command(bench, bench.waits_in_init) as deploying:
        bench.eventually(bench.begun)
        deploying.send_signal(number)
    bench.eventually(lambda: bench.servers() == [bench.front])
    (deployment,) = bench.endpoints.get(NAME).deployments
    assert deployment.provisioning_state == "Failed"
    assert "deploy it again" in deployment.why
    assert bench.deploy().provisioning_state == "Succeeded"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_ended_while_it_updates_it_leaves_the_one_before_answering(
    bench: Bench, number: signal.Signals
):
    bench.deploy()
    before = sorted(process.pid for process in bench.servers())
    with command(bench, bench.waits_in_init) as deploying:
        bench.eventually(bench.begun)
        assert bench.endpoints.get(NAME).deployments[0].provisioning_state == "Updating"
        deploying.send_signal(number)
    bench.eventually(lambda: sorted(one.pid for one in bench.servers()) == before)
    assert bench.endpoints.invoke(NAME, b"[1]", "blue") == [1]


def test_a_deployment_outlives_the_command_that_made_it(bench: Bench):
    with command(bench, "def init(): pass\ndef run(raw_data): return 1") as deploying:
        assert deploying.wait() == 0
    assert bench.endpoints.invoke(NAME, b"", "blue") == 1
    pid = bench.front.pid
    # No terminal, no session of ours, nothing to read from.
    assert os.getsid(pid) != os.getsid(0)
    assert os.getpgid(pid) != os.getpgid(0)
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert parent != os.getpid()


def test_without_its_folder_an_endpoint_ends(bench: Bench):
    bench.deploy()
    shutil.rmtree(bench.root)
    bench.eventually(lambda: not bench.servers())
    assert not bench.root.exists()


def test_without_its_folder_it_ends_while_a_deployment_starts(bench: Bench):
    with command(bench, bench.waits_in_init) as deploying:
        bench.eventually(bench.begun)
        shutil.rmtree(bench.root)
        assert deploying.wait() != 0
    bench.eventually(lambda: not bench.servers())
    assert not bench.root.exists()


def test_a_front_that_the_files_do_not_name_ends(bench: Bench):
    bench.deploy()
    file = bench.root / NAME / "front.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "pid": 1}))
    bench.eventually(lambda: not bench.servers())


def test_a_recycled_pid_is_shown_as_failed_and_not_killed(bench: Bench):
    bench.deploy()
    file = bench.root / NAME / "front.json"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        recycled = {**json.loads(file.read_text()), "pid": innocent.pid}
        file.write_text(json.dumps(recycled))
        assert bench.endpoints.get(NAME).deployments[0].provisioning_state == "Failed"
        bench.endpoints.delete(NAME)
        assert innocent.poll() is None
        innocent.kill()
    assert bench.servers() == []


@pytest.mark.parametrize(
    "file", ["front.json", "endpoint.json", "deployments/blue/deployment.json"]
)
def test_whatever_file_is_damaged_delete_ends_every_process(bench: Bench, file: str):
    bench.deploy()
    (bench.root / NAME / file).write_text("{")
    bench.endpoints.delete(NAME)
    assert bench.servers() == []


def test_after_an_interrupt_the_files_of_the_revision_are_gone_but_its_log(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    saving = "mnist_exp.workspaces.local.endpoints.state_files.DeploymentFolder.save"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(saving, interrupted)
        bench.deploy()
    bench.eventually(lambda: bench.servers() == [bench.front])
    files = [path.name for path in bench.deployment().revision(1).iterdir()]
    assert files == ["console.log"]


def test_a_command_killed_after_the_switch_has_deployed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    bench.deploy()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    applying = "mnist_exp.workspaces.local.endpoints.front_client.FrontLine.apply"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(applying, interrupted)
        bench.deploy("def init(): pass\ndef run(raw_data): return 'second'")
    bench.eventually(lambda: bench.endpoints.invoke(NAME, b"1", "blue") == "second")
    bench.eventually(lambda: len(bench.servers()) == 2)


def test_nothing_is_left_of_an_endpoint_that_vanished_while_it_was_deployed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    def vanishes(*_: object) -> None:
        shutil.rmtree(bench.root)
        raise OSError("disk full")

    saving = "mnist_exp.workspaces.local.endpoints.state_files.DeploymentFolder.save"
    monkeypatch.setattr(saving, vanishes)
    with pytest.raises(MnistExpError):
        bench.deploy()
    assert not bench.root.exists()
    bench.eventually(lambda: not bench.servers())


def command(bench: Bench, source: str) -> "subprocess.Popen[bytes]":
    """Deploy from a process of its own."""
    arguments = [bench.root, bench.code(source), bench.model, bench.gate]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments)], stderr=subprocess.DEVNULL
    )
