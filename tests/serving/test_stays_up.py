"""Crashes and kills: restarts, the answers meanwhile, and no processes left behind."""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import psutil
import pytest

from mnist_exp.config import ProbeConfig, RequestSettingsConfig
from mnist_exp.errors import EndpointError, NotFoundError
from mnist_exp.serving.worker_pool import FIRST_DELAY_S
from mnist_exp.specs import EndpointSpec
from mnist_exp.workspaces.local.endpoints.server_processes import processes_below, servers_below
from tests.support.scoring_service import NAME, Service
from tests.support.waiting import eventually

#: Each worker ends when the gate says so; `farewell` is its last line.
DIES_LATER = """
import os, pathlib, threading, time

GATE = pathlib.Path(os.environ["GATE"], "die")

def init():
    print("I will not last")
    if GATE.exists():
        die()
    threading.Thread(target=wait_and_die, daemon=True).start()

def wait_and_die():
    while not GATE.exists():
        time.sleep(0.01)
    die()

def die():
    print("farewell", flush=True)
    os._exit(9)

def run(raw_data):
    return 1
"""
#: Four child processes; the last is an orphan process in a session of its own.
CHILDREN = """
import subprocess
pids = []

def init():
    for more in ({}, {"start_new_session": True}, {"start_new_session": True, "env": {}}):
        pids.append(subprocess.Popen(["/bin/sleep", "600"], **more).pid)
    leave = "/bin/sleep 600 > /dev/null & echo $!"
    pids.append(int(subprocess.check_output(["/bin/sh", "-c", leave], start_new_session=True)))

def run(raw_data):
    return pids
"""


def workers(service: Service) -> list[int]:
    return list(service.endpoints.statistics(NAME)["blue"].processes)


def front(service: Service) -> int:
    pids = {process.pid for process in servers_below(service.folder)}
    (found,) = pids - set(workers(service))
    return found


def test_a_killed_worker_is_replaced(changeable: Service):
    (before,) = workers(changeable)
    os.kill(before, signal.SIGKILL)
    assert changeable.score("none").status_code == 200
    (after,) = workers(changeable)
    assert after != before
    assert changeable.endpoints.statistics(NAME)["blue"].restarts == 1


def test_a_request_whose_worker_is_killed_goes_to_another_worker(changeable: Service):
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(changeable.score, "wait")
        eventually((changeable.gate / "begun-blue").exists)
        (changeable.gate / "begun-blue").unlink()
        os.kill(workers(changeable)[0], signal.SIGKILL)
        eventually((changeable.gate / "begun-blue").exists)
        (changeable.gate / "open").touch()
        assert answer.result().json() == "waited"


def test_a_request_that_kills_two_workers_is_502(changeable: Service):
    reply = changeable.score("die")
    assert (reply.status_code, reply.headers["azureml-model-deployment"]) == (502, "blue")
    assert changeable.score("none").status_code == 200


def test_one_instance_works_while_the_other_is_replaced(changeable: Service):
    changeable.deploy(instance_count=2, request_settings=RequestSettingsConfig(20_000, 1))
    assert len(workers(changeable)) == 2
    with ThreadPoolExecutor() as pool:
        held = pool.submit(changeable.score, "wait")
        eventually((changeable.gate / "begun-blue").exists)
        busy = {process.pid for process in map(psutil.Process, workers(changeable))}
        free = changeable.score("pid").json()
        (other,) = busy - {free}
        os.kill(free, signal.SIGKILL)
        assert changeable.score("none").status_code == 200
        assert other in workers(changeable)
        (changeable.gate / "open").touch()
        assert held.result().json() == "waited"


def test_the_limit_of_pending_requests_counts_all_instances(changeable: Service):
    changeable.deploy(instance_count=2, request_settings=RequestSettingsConfig(20_000, 1))
    with ThreadPoolExecutor(5) as pool:
        replies = [pool.submit(changeable.score, "wait") for _ in range(5)]
        eventually(lambda: any(reply.done() for reply in replies))
        (changeable.gate / "open").touch()
        statuses = sorted(reply.result().status_code for reply in replies)
    assert statuses == [200, 200, 200, 200, 429]


def test_a_crash_loop_fails_the_deployment_with_503_and_its_last_log_line(changeable: Service):
    changeable.deploy(script=DIES_LATER)
    began = time.monotonic()
    (changeable.gate / "die").touch()
    eventually(lambda: changeable.endpoints.get(NAME).deployments[0].provisioning_state == "Failed")
    (deployment,) = changeable.endpoints.get(NAME).deployments
    assert (
        "a worker ended 5 times in a row (exit code 9); last log line: farewell" in deployment.why
    )
    # The second restart waits for FIRST_DELAY_S, and each further one for twice as long.
    assert time.monotonic() - began > FIRST_DELAY_S * (1 + 2 + 4)
    eventually(lambda: not workers(changeable))
    assert changeable.score("none").status_code == 503
    with changeable.client as client:
        assert client.get("/health").status_code == 503
    assert changeable.curl("-d", "none").endswith(" 503")
    with pytest.raises(EndpointError, match="farewell"):
        changeable.endpoints.invoke(NAME, b"none")
    changeable.deploy()
    assert changeable.score("none").status_code == 200
    assert changeable.endpoints.get(NAME).deployments[0].provisioning_state == "Succeeded"


def test_a_worker_that_fails_liveness_probes_is_replaced(changeable: Service):
    changeable.deploy(liveness_probe=ProbeConfig(0.05, 0.05, 0.5, 1, 2))
    (before,) = workers(changeable)
    os.kill(before, signal.SIGSTOP)
    # On a busy machine, the worker may still answer after the signal is sent.
    assert changeable.score("none").status_code == 200
    eventually(lambda: before not in workers(changeable))
    assert changeable.score("none").status_code == 200


def test_after_the_front_is_killed_all_is_failed_and_nothing_runs(changeable: Service):
    os.kill(front(changeable), signal.SIGKILL)
    eventually(lambda: not servers_below(changeable.folder))
    # A killed process loses its command line before it ends.
    eventually(lambda: changeable.endpoints.get(NAME).provisioning_state == "Failed")
    endpoint = changeable.endpoints.get(NAME)
    assert endpoint.deployments[0].provisioning_state == "Failed"
    assert "front process has ended" in endpoint.why
    assert changeable.endpoints.statistics(NAME) == {}


def test_the_next_invoke_restarts_a_killed_front_as_it_was(own: Service):
    own.deploy("green")
    own.update(traffic={"blue": 50, "green": 50})
    before, keys = own.endpoints.get(NAME), own.keys
    os.kill(front_of_two(own), signal.SIGKILL)
    eventually(lambda: not servers_below(own.folder))
    assert own.endpoints.invoke(NAME, b"none") == {}
    assert own.endpoints.get(NAME) == before
    assert own.keys == keys
    assert {own.score("note").json() for _ in range(50)} == {"blue", "green"}


def test_the_next_update_restarts_a_killed_front(changeable: Service):
    os.kill(front(changeable), signal.SIGKILL)
    changeable.update(traffic={"blue": 100})
    assert changeable.score("none").status_code == 200


def test_several_commands_restart_only_one_front(changeable: Service):
    os.kill(front(changeable), signal.SIGKILL)
    eventually(lambda: not servers_below(changeable.folder))
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(changeable.endpoints.invoke, NAME, b"none") for _ in range(4)]
        assert [answer.result() for answer in answers] == [{}] * 4
    assert len(servers_below(changeable.folder)) == 2


def test_a_slow_request_is_answered_by_the_updated_revision(changeable: Service):
    key = changeable.keys.primary.encode()
    head = b"POST /score HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + key
    with socket.create_connection(("127.0.0.1", changeable.port), timeout=60) as slow:
        slow.sendall(head + b"\r\ncontent-length: 4\r\n\r\nno")
        changeable.score("none")
        changeable.deploy(script="def init(): pass\ndef run(raw_data): return 'new'\n")
        slow.sendall(b"ne")
        answer = b""
        while not answer.endswith(b'"new"'):
            more = slow.recv(1000)
            assert more, answer
            answer += more
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("way", ["worker", "front", "update"])
def test_child_processes_of_the_script_end_with_their_worker(changeable: Service, way: str):
    changeable.deploy(script=CHILDREN)
    children = [psutil.Process(pid) for pid in changeable.score("x").json()]
    assert len(children) == 4
    if way == "worker":
        os.kill(workers(changeable)[0], signal.SIGKILL)
    elif way == "front":
        os.kill(front(changeable), signal.SIGKILL)
    else:
        changeable.deploy()
    eventually(lambda: not any(map(is_there, children)))


def is_there(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.mark.parametrize("way", ["invoke", "delete"])
def test_a_worker_that_blocks_all_threads_ends_with_its_front(own: Service, way: str):
    with ThreadPoolExecutor() as pool:
        lost = pool.submit(own.score, "hog")
        hogs = own.gate / "hogs"
        eventually(lambda: hogs.exists() and hogs.read_text())
        before = processes_below(own.folder)
        os.kill(front(own), signal.SIGKILL)
        assert isinstance(lost.exception(), httpx.TransportError)
    if way == "invoke":
        assert own.endpoints.invoke(NAME, b"none") == {}
    else:
        own.endpoints.delete(NAME)
    assert len(before) == 3
    assert not set(before) & set(processes_below(own.folder))
    own.endpoints.create_or_update(EndpointSpec(NAME))


def expire_soon(service: Service) -> None:
    # On a busy machine, the endpoint may expire before the update returns.
    with suppress(NotFoundError):
        service.update(ttl=1)


def test_an_endpoint_expires_after_its_command_has_ended(own: Service):
    expire_soon(own)
    root = own.folder / "endpoints"
    eventually(lambda: not list(root.iterdir()))
    eventually(lambda: not servers_below(own.folder))
    own.endpoints.create_or_update(EndpointSpec(NAME))


def test_an_endpoint_that_expired_without_a_front_is_deleted(own: Service):
    pid = front(own)
    expire_soon(own)
    # On a busy machine, the front may already have ended.
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not servers_below(own.folder))
    eventually(lambda: not own.endpoints.list())
    assert not list((own.folder / "endpoints").iterdir())
    own.endpoints.create_or_update(EndpointSpec(NAME))


def front_of_two(service: Service) -> int:
    statistics = service.endpoints.statistics(NAME).values()
    busy = {pid for one in statistics for pid in one.processes}
    (found,) = {process.pid for process in servers_below(service.folder)} - busy
    return found
