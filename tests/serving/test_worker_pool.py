"""The workers of a revision: restarts, crash loops and probes, with the pool in this process."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import pytest

from mnist_exp.config import DeploymentConfig, RequestSettingsConfig
from mnist_exp.serving import worker_pool
from mnist_exp.serving.connection import WorkerLostError
from mnist_exp.serving.frames import Request
from mnist_exp.serving.settings import CODE_FOLDER, SETTINGS_FILE, Probe, Settings
from mnist_exp.serving.worker_pool import CRASHES, WorkerPool, delay_s
from tests.support.scoring_service import SCRIPT

PATIENCE_S = 60
#: The first worker stays. Each other worker ends when the file `die` exists.
ONLY_FIRST_STAYS = """
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


def settings(folder: Path, instances: int = 1, **variables: str) -> Settings:
    variables |= {"GATE": str(folder), "COLOUR": "blue", "AZUREML_MODEL_DIR": str(folder)}
    deployment = DeploymentConfig(
        name="blue",
        scoring_script="score.py",
        instance_count=instances,
        request_settings=RequestSettingsConfig(20_000, 4),
    )
    return Settings(asdict(deployment), variables)


@asynccontextmanager
async def running_pool(folder: Path, of: Settings, script: str) -> AsyncIterator[WorkerPool]:
    revision = folder / "1"
    (revision / CODE_FOLDER).mkdir(parents=True)
    (revision / CODE_FOLDER / "score.py").write_text(script)
    (revision / SETTINGS_FILE).write_text(json.dumps(asdict(of)))
    pool = WorkerPool(revision, lambda why: None)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.end()


async def score(pool: WorkerPool, body: str) -> tuple[int, object]:
    reply = await pool.score(Request(b"id", b"", body.encode()), PATIENCE_S, lambda: lambda: None)
    return reply.status, json.loads(reply.body)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def _short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "FIRST_DELAY_S", 0.01)


@pytest.mark.parametrize(
    ("ends", "seconds"), [(0, 0), (1, 0), (2, 0.2), (3, 0.4), (6, 3.2), (8, 10), (5_000, 10)]
)
def test_each_further_restart_in_a_row_is_delayed_longer(ends: int, seconds: float):
    assert delay_s(ends) == pytest.approx(seconds)


@pytest.mark.usefixtures("_short_delays")
def test_requests_that_kill_workers_cannot_fail_a_deployment(tmp_path: Path):
    script = SCRIPT.replace("def run(raw_data)", "def run(raw_data, request_headers)")

    async def check() -> None:
        async with running_pool(tmp_path, settings(tmp_path), script) as pool:
            # Each of these requests ends one or two workers.
            while pool.restarts <= CRASHES:
                with pytest.raises(WorkerLostError):
                    await score(pool, "die")
            restarts = pool.restarts
            await until(lambda: pool.restarts > restarts)
            # A worker that is not ready again does not change what the script needs.
            assert pool.wants_heads
            assert await score(pool, "none") == (200, {})
            assert pool.failure == ""

    asyncio.run(check())


@pytest.mark.usefixtures("_short_delays")
def test_requests_behind_one_that_kills_workers_are_answered(tmp_path: Path):
    async def check() -> None:
        async with running_pool(tmp_path, settings(tmp_path), SCRIPT) as pool:
            # All four requests are sent to the only worker, which begins with the first.
            bodies = ("die", "none", "list", "pid")
            died, *others = await asyncio.gather(
                *(score(pool, body) for body in bodies), return_exceptions=True
            )
            assert isinstance(died, WorkerLostError)
            assert others == [(200, {}), (200, [1, "zwei", None, {"drei": 3.5}]), (200, *pool.pids)]

    asyncio.run(check())


def test_the_pool_stores_an_expired_request_only_if_a_worker_has_it(tmp_path: Path):
    stored: list[str] = []

    async def expired(pool: WorkerPool, name: str, timeout_s: float) -> None:
        def hold() -> Callable[[], None]:
            stored.append(name)
            return lambda: stored.remove(name)

        with pytest.raises(TimeoutError):
            await pool.score(Request(b"id", b"", b"wait"), timeout_s, hold)

    async def check() -> None:
        async with running_pool(tmp_path, settings(tmp_path), SCRIPT) as pool:
            # The only worker has received four requests, and answers the first of them.
            names = ["begun", *(["sent"] * 3), *(["waiting"] * 4)]
            # The last request expires first.
            timeouts = [0.3 - 0.01 * number for number in range(len(names))]
            await asyncio.gather(*map(expired, [pool] * len(names), names, timeouts))
            assert (pool.pending, stored) == (0, names[:4])
            (tmp_path / "open").touch()
            await until(lambda: not stored)

    asyncio.run(check())


@pytest.mark.usefixtures("_short_delays")
def test_requests_that_hang_cannot_fail_a_deployment(tmp_path: Path):
    async def check() -> None:
        of = settings(tmp_path, WORKER_TIMEOUT="0.2")
        async with running_pool(tmp_path, of, SCRIPT) as pool:
            # Each of these requests ends two workers, which never become stable.
            while pool.restarts <= CRASHES:
                with pytest.raises(WorkerLostError):
                    await score(pool, "sleep")
            assert pool.failure == ""
            # On a busy machine, even a fast call of `run` may take longer than WORKER_TIMEOUT.
            async with asyncio.timeout(PATIENCE_S):
                with suppress(WorkerLostError):
                    assert await score(pool, "none") == (200, {})

    asyncio.run(check())


@pytest.mark.usefixtures("_short_delays")
def test_a_worker_in_a_crash_loop_does_not_end_the_others(tmp_path: Path):
    async def check() -> None:
        of = settings(tmp_path, instances=2)
        async with running_pool(tmp_path, of, ONLY_FIRST_STAYS) as pool:
            (tmp_path / "die").touch()
            await until(lambda: pool.restarts > CRASHES)
            assert pool.failure == ""
            assert await score(pool, "x") == (200, "the first")

    asyncio.run(check())


def test_the_delay_and_the_threshold_of_probes_are_kept(tmp_path: Path):
    probes = {
        "readiness_probe": vars(Probe(10, 0.3, 2, 3, 30)),
        "liveness_probe": vars(Probe(1, 0.05, 0.2, 1, 1)),
    }

    async def check() -> None:
        of = settings(tmp_path)
        of = Settings({**of.deployment, **probes}, of.variables)
        began = time.monotonic()
        async with running_pool(tmp_path, of, SCRIPT) as pool:
            ready = time.monotonic()
            # A worker is ready after two further pings, each after a period.
            assert ready - began > 2 * 0.3
            (pid,) = pool.pids
            os.kill(pid, signal.SIGSTOP)
            await until(lambda: pid not in pool.pids)
            # The first liveness probe comes after the initial delay.
            assert time.monotonic() - ready >= 1

    asyncio.run(check())
