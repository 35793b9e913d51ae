"""Crashes and kills: what comes back, what is answered meanwhile, and what is left."""

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
from mnist_exp.errors import EndpointError
from mnist_exp.serving.worker_pool import CRASHES, FIRST_DELAY_S, delay_s
from mnist_exp.specs import EndpointSpec
from mnist_exp.workspaces.local.endpoints.server_processes import processes_below, servers_below
from tests.serving.service import NAME, Service
from tests.support.waiting import eventually

#: Ends when the gate says so, and so do those that take its place; nothing is said after farewell.
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
#: The others end, when the gate says so, as soon as they have started.
ONE_STAYS = """
import os, pathlib, threading, time

FOLDER = pathlib.Path(os.environ["GATE"])
answer = "the first"

def init():
    global answer
    try:
        (FOLDER / "first").touch(exist_ok=False)
    except FileExistsError:
        answer = "another"
        threading.Thread(target=wait_and_die, daemon=True).start()

def wait_and_die():
    while not (FOLDER / "die").exists():
        time.sleep(0.01)
    os._exit(9)

def run(raw_data):
    return answer
"""
#: Children of all sorts; the last leaves no trace of where it comes from.
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


def test_a_killed_worker_is_replaced(own: Service):
    (before,) = workers(own)
    os.kill(before, signal.SIGKILL)
    assert own.score("none").status_code == 200
    (after,) = workers(own)
    assert after != before
    assert own.endpoints.statistics(NAME)["blue"].restarts == 1


def test_a_request_whose_worker_is_killed_goes_to_the_next(own: Service):
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(own.score, "wait")
        eventually((own.gate / "begun-blue").exists)
        (own.gate / "begun-blue").unlink()
        os.kill(workers(own)[0], signal.SIGKILL)
        eventually((own.gate / "begun-blue").exists)
        (own.gate / "open").touch()
        assert answer.result().json() == "waited"


def test_a_request_that_kills_two_workers_is_502_and_the_rest_is_answered(own: Service):
    reply = own.score("die")
    assert (reply.status_code, reply.headers["azureml-model-deployment"]) == (502, "blue")
    assert own.score("none").status_code == 200


def test_callers_cannot_take_a_deployment_down(own: Service):
    # Six workers ended, one after the other.
    assert [own.score("die").status_code for _ in range(3)] == [502] * 3
    assert own.score("none").status_code == 200
    assert own.endpoints.get(NAME).deployments[0].provisioning_state == "Succeeded"


@pytest.mark.parametrize(
    ("ends", "seconds"), [(0, 0), (1, 0), (2, 0.2), (3, 0.4), (6, 3.2), (8, 10), (5_000, 10)]
)
def test_a_worker_that_ends_again_and_again_is_started_later_and_later(ends, seconds):
    assert delay_s(ends) == pytest.approx(seconds)


def test_one_worker_in_a_crash_loop_does_not_end_the_others(own: Service):
    # Whoever comes first stays, and all that come after it end.
    own.deploy(script=ONE_STAYS, instance_count=2)
    (own.gate / "die").touch()
    eventually(lambda: own.endpoints.statistics(NAME)["blue"].restarts > CRASHES)
    assert own.score("x").json() == "the first"
    assert own.endpoints.get(NAME).deployments[0].provisioning_state == "Succeeded"


def test_instances_are_processes_and_one_works_while_the_other_is_replaced(own: Service):
    own.deploy(instance_count=2, request_settings=RequestSettingsConfig(20_000, 1))
    assert len(workers(own)) == 2
    with ThreadPoolExecutor() as pool:
        held = pool.submit(own.score, "wait")
        eventually((own.gate / "begun-blue").exists)
        busy = {process.pid for process in map(psutil.Process, workers(own))}
        free = own.score("pid").json()
        (other,) = busy - {free}
        os.kill(free, signal.SIGKILL)
        assert own.score("none").status_code == 200
        assert other in workers(own)
        (own.gate / "open").touch()
        assert held.result().json() == "waited"


def test_as_many_pending_requests_as_all_instances_together_may_have(own: Service):
    own.deploy(instance_count=2, request_settings=RequestSettingsConfig(20_000, 1))
    with ThreadPoolExecutor(5) as pool:
        replies = [pool.submit(own.score, "wait") for _ in range(5)]
        eventually(lambda: any(reply.done() for reply in replies))
        (own.gate / "open").touch()
        statuses = sorted(reply.result().status_code for reply in replies)
    assert statuses == [200, 200, 200, 200, 429]


def test_a_crash_loop_is_failed_with_its_last_words_and_503(own: Service):
    own.deploy(script=DIES_LATER)
    began = time.monotonic()
    (own.gate / "die").touch()
    eventually(lambda: own.endpoints.get(NAME).deployments[0].provisioning_state == "Failed")
    (deployment,) = own.endpoints.get(NAME).deployments
    assert (
        "a worker ended 5 times in a row (exit code 9); its last words: farewell" in deployment.why
    )
    # Later and later: before the second new start 0.2 s, then twice as long each time.
    assert time.monotonic() - began > FIRST_DELAY_S * (1 + 2 + 4)
    eventually(lambda: not workers(own))
    assert own.score("none").status_code == 503
    with own.client as client:
        assert client.get("/health").status_code == 503
    assert own.curl("-d", "none").endswith(" 503")
    with pytest.raises(EndpointError, match="farewell"):
        own.endpoints.invoke(NAME, b"none")
    own.deploy()
    assert own.score("none").status_code == 200
    assert own.endpoints.get(NAME).deployments[0].provisioning_state == "Succeeded"


def test_a_worker_that_gives_no_sign_of_life_is_replaced(own: Service):
    own.deploy(liveness_probe=ProbeConfig(0.05, 0.05, 0.5, 1, 2))
    (before,) = workers(own)
    os.kill(before, signal.SIGSTOP)
    assert own.score("none").status_code == 200
    assert before not in workers(own)


def test_the_delays_of_probes_are_kept(own: Service):
    began = time.monotonic()
    # Two more signs of life, each after a period; then none is asked for until the delay is over.
    readiness, liveness = ProbeConfig(10, 0.7, 2, 3, 30), ProbeConfig(3, 0.05, 0.2, 1, 1)
    own.deploy(readiness_probe=readiness, liveness_probe=liveness)
    assert time.monotonic() - began > 2 * 0.7
    os.kill(workers(own)[0], signal.SIGSTOP)
    assert own.score("none").status_code == 200
    assert time.monotonic() - began > 2 * 0.7 + 3


def test_when_the_front_is_killed_nothing_claims_to_run_and_nothing_does(own: Service):
    os.kill(front(own), signal.SIGKILL)
    eventually(lambda: not servers_below(own.folder))
    endpoint = own.endpoints.get(NAME)
    assert endpoint.provisioning_state == endpoint.deployments[0].provisioning_state == "Failed"
    assert "front process has ended" in endpoint.why
    assert own.endpoints.statistics(NAME) == {}


def test_the_next_invoke_brings_the_front_back_as_it_was(own: Service):
    own.deploy("green")
    own.update(traffic={"blue": 50, "green": 50})
    before, keys = own.endpoints.get(NAME), own.keys
    os.kill(front_of_two(own), signal.SIGKILL)
    eventually(lambda: not servers_below(own.folder))
    assert own.endpoints.invoke(NAME, b"none") is None
    assert own.endpoints.get(NAME) == before
    assert own.keys == keys
    assert {own.score("note").json() for _ in range(50)} == {"blue", "green"}


def test_the_next_update_brings_the_front_back(own: Service):
    os.kill(front(own), signal.SIGKILL)
    own.update(traffic={"blue": 100})
    assert own.score("none").status_code == 200


def test_two_that_bring_it_back_at_once_start_one(own: Service):
    os.kill(front(own), signal.SIGKILL)
    eventually(lambda: not servers_below(own.folder))
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(own.endpoints.invoke, NAME, b"none") for _ in range(4)]
        assert [answer.result() for answer in answers] == [None] * 4
    assert len(servers_below(own.folder)) == 2


def test_a_request_that_comes_slowly_is_answered_by_what_an_update_has_put_there(own: Service):
    key = own.keys.primary.encode()
    head = b"POST /score HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + key
    with socket.create_connection(("127.0.0.1", own.port), timeout=60) as slow:
        slow.sendall(head + b"\r\ncontent-length: 4\r\n\r\nno")
        own.score("none")
        own.deploy(script="def init(): pass\ndef run(raw_data): return 'new'\n")
        slow.sendall(b"ne")
        answer = b""
        while not answer.endswith(b'"new"'):
            more = slow.recv(1000)
            assert more, answer
            answer += more
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("way", ["worker", "front", "update"])
def test_what_the_script_started_ends_with_its_worker(own: Service, way: str):
    own.deploy(script=CHILDREN)
    children = [psutil.Process(pid) for pid in own.score("x").json()]
    assert len(children) == 4
    if way == "worker":
        os.kill(workers(own)[0], signal.SIGKILL)
    elif way == "front":
        os.kill(front(own), signal.SIGKILL)
    else:
        own.deploy()
    eventually(lambda: not any(map(is_there, children)))


def is_there(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.mark.parametrize("way", ["invoke", "delete"])
def test_a_worker_that_lets_nothing_run_does_not_outlive_the_front(own: Service, way: str):
    with ThreadPoolExecutor() as pool:
        lost = pool.submit(own.score, "hog")
        hogs = own.gate / "hogs"
        eventually(lambda: hogs.exists() and hogs.read_text())
        before = processes_below(own.folder)
        os.kill(front(own), signal.SIGKILL)
        assert isinstance(lost.exception(), httpx.TransportError)
    if way == "invoke":
        assert own.endpoints.invoke(NAME, b"none") is None
    else:
        own.endpoints.delete(NAME)
    assert len(before) == 3
    assert not set(before) & set(processes_below(own.folder))
    own.endpoints.create_or_update(EndpointSpec(NAME))


def test_an_endpoint_expires_when_the_command_is_long_gone(own: Service):
    own.update(ttl=1)
    root = own.folder / "endpoints"
    eventually(lambda: not list(root.iterdir()))
    eventually(lambda: not servers_below(own.folder))
    own.endpoints.create_or_update(EndpointSpec(NAME))


def test_one_that_expired_while_nothing_ran_is_gone_when_asked_for(own: Service):
    own.update(ttl=1)
    os.kill(front(own), signal.SIGKILL)
    eventually(lambda: not servers_below(own.folder))
    deadline = time.monotonic() + 30
    while own.endpoints.list():
        assert time.monotonic() < deadline
    assert not list((own.folder / "endpoints").iterdir())
    own.endpoints.create_or_update(EndpointSpec(NAME))


def front_of_two(service: Service) -> int:
    statistics = service.endpoints.statistics(NAME).values()
    busy = {pid for one in statistics for pid in one.processes}
    (found,) = {process.pid for process in servers_below(service.folder)} - busy
    return found
