"""Floods against an endpoint: the memory stays bounded, and another client is served."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mnist_exp.config import RequestSettingsConfig
from mnist_exp.workspaces.local.endpoints.server_processes import SERVER_MODULE, servers_below
from tests.serving.digits_service import serve_digits
from tests.support.floods import ALL, FLOODS
from tests.support.paths import REPOSITORY
from tests.support.scoring_service import NAME, Service
from tests.support.waiting import eventually

MEGABYTE = 1024 * 1024
#: Memory that the processes may keep after a flood, since allocators keep some.
KEPT = 50 * MEGABYTE
#: Memory that a flood may take, see docs/endpoints.md.
WITHOUT_KEY, WITH_KEY = 150 * MEGABYTE, 600 * MEGABYTE
NEEDS_KEY = {
    *(ALL, "trailers_with_a_key", "bodies_with_a_key", "bodies_for_a_hanging_run"),
    *("tiny_chunks", "chunk_extensions"),
}
#: A deployment whose worker takes many requests, and answers none of them.
HANGS = """
import time
def init(): pass
def run(raw_data): time.sleep(600)
"""
#: Seconds of the short flood, and of each flood of the soak test.
SHORT_S, LONG_S = 1.5, 60


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("digits")
    for service in serve_digits(folder, RequestSettingsConfig(2_000, 4)):
        (folder / "code").mkdir()
        service.deploy(
            name="hanging",
            script=HANGS,
            environment_variables={"WORKER_TIMEOUT": "1"},
            request_settings=RequestSettingsConfig(100, 100),
        )
        yield service


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        # The front replaces a worker whose `run` hangs.
        return 0


class Memory:
    """The memory of the front and of the workers, and its maxima inside a `with` block."""

    def __init__(self, service: Service) -> None:
        processes = [psutil.Process(one.pid) for one in servers_below(service.folder)]
        self._fronts = [one for one in processes if SERVER_MODULE in one.cmdline()]
        self._workers = [one for one in processes if one not in self._fronts]
        assert len(self._fronts) == 1
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.before = self.peak = self.now

    @property
    def now(self) -> tuple[int, int]:
        """The bytes of the front, and of all workers."""
        return sum(map(_memory, self._fronts)), sum(map(_memory, self._workers))

    def rows(self) -> str:
        """Return the megabytes before, at the maximum and now."""
        parts = zip(self.before, self.peak, self.now, strict=True)
        front, workers = ([size // MEGABYTE for size in part] for part in parts)
        return f"front {front}, workers {workers}"

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            front, workers = self.now
            self.peak = max(self.peak[0], front), max(self.peak[1], workers)


def keys_file(service: Service) -> Path:
    return service.folder / "endpoints" / NAME / "keys.json"


def start_flood(service: Service, name: str, seconds: float) -> "subprocess.Popen[bytes]":
    words = [name, str(service.port), str(keys_file(service)), str(seconds)]
    command = [sys.executable, "-m", "tests.support.floods", *words]
    return subprocess.Popen(command, cwd=REPOSITORY)


def check(service: Service, name: str, memory: Memory) -> None:
    allowed = WITH_KEY if name in NEEDS_KEY else WITHOUT_KEY
    assert sum(memory.peak) - sum(memory.before) < allowed
    eventually(lambda: sum(memory.now) - sum(memory.before) < KEPT)
    assert service.score(json.dumps({"data": [[0] * 784]})).status_code == 200
    assert service.endpoints.statistics(NAME)["blue"].restarts == 0


def test_a_short_flood_of_every_kind(digits: Service):
    with Memory(digits) as memory:
        assert start_flood(digits, ALL, SHORT_S).wait() == 0
    check(digits, ALL, memory)


def served(service: Service, seconds: float, folder: Path) -> float:
    """Send requests of another client for some seconds, and return their p99 in milliseconds."""
    body = folder / "row.json"
    body.write_text(json.dumps({"data": [[0] * 784]}))
    words = [f"{service.uri}/score", str(keys_file(service)), str(body), "1", str(seconds)]
    # The load generator fails if the endpoint refuses a request or closes the connection.
    command = [sys.executable, "-m", "benchmarks.load", *words]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    took = sorted(json.loads(done.stdout)["took"])
    return float(took[int(len(took) * 0.99)] * 1000)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_a_minute(
    digits: Service, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    quiet = served(digits, LONG_S / 6, tmp_path)
    with Memory(digits) as memory:
        flood = start_flood(digits, name, LONG_S)
        flooded = served(digits, LONG_S - 5, tmp_path)
        assert flood.wait() == 0
    check(digits, name, memory)
    p99 = f"{quiet:.2f}, {flooded:.2f} ({flooded / quiet:.1f} times)"
    with capsys.disabled():
        print(f"\n{name}: MB before, peak, after: {memory.rows()}; p99 ms before, during: {p99}")
