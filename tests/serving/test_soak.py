"""Many requests while green is rolled out, workers are killed and a key is regenerated."""

import http.client
import itertools
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import psutil
import pytest

from mnist_exp.config import KeyName, RequestSettingsConfig
from mnist_exp.serving.swagger import ANSWERS
from mnist_exp.workspaces.local.endpoints.server_processes import servers_below
from tests.support.scoring_service import NAME, Service, serve

CONNECTIONS = 8
#: Repeats the request in its answer, so that an answer to another request is noticed.
ECHO = "import json\ndef init(): pass\ndef run(raw_data): return [json.loads(raw_data), '{}']\n"
SETTINGS = RequestSettingsConfig(20_000, 16)


@dataclass
class Met:
    """The results that the clients saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    colours: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    front: int = 0
    #: Deployment -> the worker that is not killed, so that its memory can be watched.
    spared: dict[str, int] = field(default_factory=dict)
    #: Process id -> share of all requests and bytes of memory at that time.
    memory: dict[int, list[tuple[float, int]]] = field(default_factory=dict)


@pytest.fixture
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    for service in serve(tmp_path_factory.mktemp("soak"), SETTINGS):
        service.deploy("blue", ECHO.format("blue"), instance_count=2, request_settings=SETTINGS)
        yield service


def run(service: Service, requests: int, kill_every_s: float) -> Met:
    met, numbers, done = Met(), itertools.count(), threading.Event()
    busy = {pid for one in service.endpoints.statistics(NAME).values() for pid in one.processes}
    (met.front,) = {process.pid for process in servers_below(service.folder)} - busy
    secret = service.keys.secondary

    def call() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
        headers = {"authorization": f"Bearer {secret}"}
        while (number := next(numbers)) < requests:
            try:
                connection.request("POST", "/score", str(number), headers)
                reply = connection.getresponse()
                body = reply.read().decode()
            except (OSError, http.client.HTTPException) as error:
                met.lost.append(repr(error))
                connection.close()
                continue
            met.statuses[reply.status] += 1
            if reply.status == 200:
                colour = body.rpartition(",")[2].strip(' "]')
                met.colours[colour] += 1
                if body != f'[{number}, "{colour}"]':
                    met.wrong.append(body)
        connection.close()

    def kill() -> None:
        chosen = random.Random(1)
        while not done.wait(kill_every_s):
            pids: list[int] = []
            for name, one in service.endpoints.statistics(NAME).items():
                met.spared.setdefault(name, max(one.processes))
                pids += sorted({*one.processes} - {met.spared[name]})
            if pids:
                with suppress(ProcessLookupError):
                    os.kill(chosen.choice(pids), signal.SIGKILL)

    def watch() -> None:
        while not done.wait(0.1):
            share = sum(met.statuses.values()) / requests
            statistics = service.endpoints.statistics(NAME).values()
            for pid in [met.front, *(pid for one in statistics for pid in one.processes)]:
                # The process may have been killed since the statistics were read.
                with suppress(psutil.NoSuchProcess):
                    memory = psutil.Process(pid).memory_info().rss
                    met.memory.setdefault(pid, []).append((share, memory))

    with ThreadPoolExecutor() as pool:
        around = [pool.submit(watch), pool.submit(kill), pool.submit(change, service, done)]
        clients = [pool.submit(call) for _ in range(CONNECTIONS)]
        try:
            for client in clients:
                client.result()
        finally:
            done.set()
        for other in around:
            other.result()
    return met


def change(service: Service, done: threading.Event) -> None:
    """Roll green out, and regenerate the key that the clients do not use."""
    service.deploy("green", ECHO.format("green"), instance_count=2, request_settings=SETTINGS)
    service.update(mirror_traffic={"green": 50})
    service.update(regenerate_key=KeyName.primary)
    for percent in itertools.cycle((10, 50, 100, 40)):
        traffic = {"blue": 100 - percent, "green": percent}
        service.update(traffic=traffic, mirror_traffic={"green": 0})
        if done.wait(1):
            return


def check(met: Met, requests: int) -> None:
    assert met.wrong == []
    assert met.lost == []
    assert sum(met.statuses.values()) == requests
    assert set(met.statuses) <= set(ANSWERS)
    assert requests - met.statuses[200] < requests / 1000, met.statuses
    assert set(met.colours) == {"blue", "green"}


def check_memory(met: Met) -> None:
    """Check that no process used more memory in the last quarter than in the second."""
    grown, compared = {}, set()
    for pid, seen in met.memory.items():
        # Skip a worker that replaced a killed one: it was still importing when first seen.
        if seen[0][0] > 0.25 and pid not in met.spared.values():
            continue
        second, last = (
            max((memory for share, memory in seen if low <= share < low + 0.25), default=0)
            for low in (0.25, 0.75)
        )
        if second and last:
            compared.add(pid)
            grown |= {pid: (second, last)} if last > second * 1.05 else {}
    assert compared >= {met.front, *met.spared.values()}
    assert len(met.spared) == 2
    assert grown == {}


def test_nothing_is_lost_while_things_are_killed_and_changed(two: Service):
    met = run(two, 10_000, kill_every_s=2)
    check(met, 10_000)
    check_memory(met)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_nothing_is_lost_for_long_and_memory_is_flat(two: Service):
    met = run(two, 100_000, kill_every_s=5)
    check(met, 100_000)
    check_memory(met)
