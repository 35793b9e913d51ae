"""The workers of one revision, and the requests that wait for a worker.

A worker that ends is replaced. The delay is zero if the worker had been up for a while, and grows
with each further end if not. When all workers have ended a few times in a row (a crash loop), the
pool gives up the revision. A request whose worker ended is sent to another worker once. Workers
that ended during a request, or because a request hung, do not count towards a crash loop.
Otherwise callers could take a deployment down.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mnist_exp.serving.connection import Connection, PendingRequest, WorkerLostError
from mnist_exp.serving.files import last_lines
from mnist_exp.serving.frames import Reply, Request
from mnist_exp.serving.settings import LOG_FILE, load_settings
from mnist_exp.serving.worker import StartError, Worker

_logger = logging.getLogger(__name__)

#: Seconds after which a worker is stable: its earlier ends are forgotten.
_STABLE_S = 4.0
#: Number of ends in a row, without a stable worker between them, that make a crash loop.
CRASHES = 5
#: Seconds before the second restart in a row; each further restart waits twice as long.
FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 10.0
#: Maximum number of workers that a request is sent to.
_ATTEMPTS = 2
#: Number of lines at a log's end that may hold the reason for a crash loop.
_LOG_END = 20


class OverloadError(Exception):
    """The maximum number of requests is unanswered."""


class PoolFailedError(Exception):
    """The pool has given up its revision; the text gives the reason."""


class WorkerPool:
    """The workers of a revision.

    Args:
        revision: The revision's folder.
        on_failure: Called with the reason when the pool gives up the revision.
    """

    def __init__(self, revision: Path, on_failure: Callable[[str], None]) -> None:
        self.revision = revision
        self.settings = load_settings(revision)
        self.failure = ""
        self.restarts = 0
        self.pending = 0
        self._on_failure = on_failure
        self._workers: list[Worker] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._idle: list[Connection] = []
        self._waiting: deque[PendingRequest] = deque()
        # Per worker: its number of connections, and its ends in a row without being stable. A
        # crash is an end that no request caused.
        self._connections = self.settings.connections * self.settings.instance_count
        self._crashes = [0] * len(self._connections)
        self._ends = [0] * len(self._connections)

    @property
    def number(self) -> int:
        """The revision's number."""
        return int(self.revision.name)

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that run."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    @property
    def wants_headers(self) -> bool:
        """Whether the script's `run` takes the request's headers."""
        return any(worker.wants_headers for worker in self._workers)

    async def start(self) -> None:
        """Start all workers, and return when all are ready.

        Raises:
            StartError: A worker did not become ready. All workers have then ended.
        """
        self._workers = [self._new_worker(index) for index in range(len(self._connections))]
        starts = [asyncio.ensure_future(worker.start()) for worker in self._workers]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await self._end_workers()
            raise
        self._keepers = [
            asyncio.ensure_future(self._keep(index)) for index in range(len(self._workers))
        ]
        for keeper in self._keepers:
            keeper.add_done_callback(self._check_keeper)

    async def score(self, request: Request, timeout_s: float) -> Reply:
        """Return a worker's answer.

        If a request times out while it waits for a worker, no worker gets it. If a worker already
        has it, its `run` continues until it returns or the worker cancels it (see
        `worker_connection`).

        Raises:
            OverloadError: The maximum number of requests is unanswered.
            PoolFailedError: The pool has given up the revision.
            WorkerLostError: Two workers in turn ended while they answered this request.
            TimeoutError: No answer arrived in time.
        """
        if self.failure:
            raise PoolFailedError(self.failure)
        if self.pending >= self.settings.pending_limit:
            raise OverloadError
        loop = asyncio.get_running_loop()
        pending = PendingRequest(request, loop.create_future())
        expiry = loop.call_later(timeout_s, _expire, pending)
        self.pending += 1
        try:
            self._place(pending)
            return await pending.answer
        finally:
            self.pending -= 1
            expiry.cancel()

    async def drain(self) -> None:
        """Return when every request has its answer, or none can get one any more."""
        deadline = time.monotonic() + self.settings.drain_s
        while self.pending and time.monotonic() < deadline:
            await asyncio.sleep(0.02)

    async def end(self) -> None:
        """End all workers, and return when all have ended."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await self._end_workers()
        self._fail_waiting(WorkerLostError())

    def _new_worker(self, index: int) -> Worker:
        new_connection = partial(Connection, self._connection_idle, self._connection_lost)
        return Worker(self.revision, self.settings, self._connections[index], new_connection)

    async def _end_workers(self) -> None:
        await asyncio.gather(*(worker.end() for worker in self._workers))

    async def _keep(self, index: int) -> None:
        """Replace a worker each time it ends, until the pool gives up."""
        loop = asyncio.get_running_loop()
        while not self.failure:
            worker = self._workers[index]
            stable = loop.call_later(_STABLE_S, self._forget_ends, index)
            await worker.live()
            stable.cancel()
            await worker.end()
            # Let the event loop report the closed connections first: is_cut depends on them.
            await asyncio.sleep(0)
            # An end that a request caused is not the script's fault.
            self._count_end(index, worker.ending, is_crash=not worker.is_cut)
            while not self.failure:
                await asyncio.sleep(delay_s(self._ends[index]))
                try:
                    await self._restart(index)
                    break
                except (StartError, OSError) as error:
                    _logger.warning("%s: %s", self.revision, error)
                    await self._workers[index].end()
                    why = self._workers[index].ending or str(error)
                    self._count_end(index, why, is_crash=True)

    def _check_keeper(self, keeper: asyncio.Task[None]) -> None:
        """Give up if a keeper has failed: nothing awaits a keeper, so nothing else would report."""
        if not keeper.cancelled() and (fault := keeper.exception()) and not self.failure:
            self._give_up(f"its workers can no longer be replaced ({fault!r})")

    async def _restart(self, index: int) -> None:
        worker = self._workers[index] = self._new_worker(index)
        self.restarts += 1
        _logger.warning("%s: starting a new worker, because a worker has ended", self.revision)
        await worker.start()

    def _forget_ends(self, index: int) -> None:
        self._crashes[index] = self._ends[index] = 0

    def _count_end(self, index: int, how: str, *, is_crash: bool) -> None:
        self._ends[index] += 1
        self._crashes[index] += is_crash
        # As long as one worker works, keep restarting the others.
        if min(self._crashes) >= CRASHES and not self.failure:
            last = _last_log_line(self.revision / LOG_FILE)
            self._give_up(f"a worker ended {CRASHES} times in a row ({how}){last}")

    def _give_up(self, why: str) -> None:
        self.failure = why
        _logger.error("%s: given up: %s", self.revision, why)
        self._on_failure(why)
        self._fail_waiting(PoolFailedError(why))

    def _place(self, pending: PendingRequest) -> None:
        """Send a request on the connection that was busy last, or let it wait."""
        if self._idle:
            self._idle.pop().send(pending)
        else:
            self._waiting.append(pending)

    def _connection_idle(self, connection: Connection) -> None:
        while self._waiting:
            pending = self._waiting.popleft()
            if not pending.answer.done():
                connection.send(pending)
                return
        self._idle.append(connection)

    def _connection_lost(self, connection: Connection, pending: PendingRequest | None) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        if pending is None or pending.answer.done():
            return
        if self.failure:
            pending.answer.set_exception(PoolFailedError(self.failure))
        elif pending.attempts >= _ATTEMPTS:
            pending.answer.set_exception(WorkerLostError())
        elif usable := self._idle_elsewhere(connection):
            self._idle.remove(usable[-1])
            usable[-1].send(pending)
        else:
            self._waiting.appendleft(pending)

    def _idle_elsewhere(self, lost: Connection) -> list[Connection]:
        """Return the idle connections, except those of the worker whose connection is lost.

        That worker has ended, but the event loop reports its connections one after the other.
        """
        ended = [worker for worker in self._workers if lost in worker.connections]
        return [one for one in self._idle if not any(one in worker.connections for worker in ended)]

    def _fail_waiting(self, error: Exception) -> None:
        while self._waiting:
            pending = self._waiting.popleft()
            if not pending.answer.done():
                pending.answer.set_exception(error)


def delay_s(ends: int) -> float:
    """Return the seconds before the restart of a worker that has ended `ends` times in a row."""
    # Limit the exponent: a larger power of two would overflow a float.
    return min(FIRST_DELAY_S * 2.0 ** min(ends - 2, 30), _LONGEST_DELAY_S) if ends > 1 else 0.0


def _last_log_line(log: Path) -> str:
    """Return the last line of a log, as a suffix for a reason; empty if there is none."""
    try:
        lines = last_lines(log, _LOG_END)
    except OSError:
        return ""
    written = [line.strip() for line in lines if line.strip()]
    return f"; last log line: {written[-1]}" if written else ""


def _expire(pending: PendingRequest) -> None:
    if not pending.answer.done():
        pending.answer.set_exception(TimeoutError())
