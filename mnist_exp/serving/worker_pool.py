"""The workers of one revision, and the requests that wait for a worker.

When a worker exits, the pool starts the worker again. The pool counts the exits of each worker. The
count returns to 0 when the worker has run for _STABLE_S seconds. After the first exit, the pool
starts the worker immediately. After each further exit, the pool waits before the start, and the
delay doubles each time. If a worker exits before it answers a request, the pool sends the request
to another worker, but only once.

A crash is an exit that no request caused. A crash loop means that every worker has crashed CRASHES
times in a row. After a crash loop, the pool gives up the revision: the pool starts no more workers,
and refuses every request. An exit does not count as a crash if it happens during a request, or
because a call of `run` hung. Otherwise clients could stop a deployment with bad requests.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from mnist_exp.serving.connection import Connection, PendingRequest, WorkerLostError
from mnist_exp.serving.files import last_lines
from mnist_exp.serving.frames import Reply, Request
from mnist_exp.serving.settings import LOG_FILE, load_settings
from mnist_exp.serving.worker import StartError, Worker

_logger = logging.getLogger(__name__)

#: Seconds after which a worker is stable. The counts of its exits and crashes are then reset to 0.
_STABLE_S = 4.0
#: A crash loop means that every worker has crashed this many times since it was last stable.
CRASHES = 5
#: Seconds before the second restart in a row. The delay doubles before each further restart.
FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 10.0
#: Maximum number of workers to which a request is sent.
_ATTEMPTS = 2
#: Number of lines, at the end of the log, that are searched for the reason of a crash loop.
_LOG_END = 20


class OverloadError(Exception):
    """The pool already has the maximum number of unanswered requests."""


class PoolFailedError(Exception):
    """The pool has given up its revision. The text of the error is the reason."""


class WorkerPool:
    """The workers of a revision.

    Args:
        revision: The revision's folder.
        on_failure: Function that is called when the pool gives up the revision. Argument: the
            reason.

    Attributes:
        wants_heads: Whether the script needs the head of every request.
    """

    def __init__(self, revision: Path, on_failure: Callable[[str], None]) -> None:
        self.revision = revision
        self.settings = load_settings(revision)
        self.failure = ""
        self.restarts = 0
        self.pending = 0
        self.wants_heads = False
        self._on_failure = on_failure
        self._workers: list[Worker] = []
        self._restart_tasks: list[asyncio.Task[None]] = []
        # A connection is in the list once for each request that it can take.
        self._free: list[Connection] = []
        self._waiting: deque[PendingRequest] = deque()
        # For each worker, the number of its crashes and exits since the worker was last stable.
        self._crashes = [0] * self.settings.worker_count
        self._exits = [0] * self.settings.worker_count

    @property
    def number(self) -> int:
        """The revision's number."""
        return int(self.revision.name)

    @property
    def pids(self) -> list[int]:
        """The process ids of the running workers."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    async def start(self) -> None:
        """Start all workers, and wait until all workers are ready.

        Raises:
            StartError: A worker did not become ready. All workers have been ended.
        """
        self._workers = [self._new_worker() for _ in range(self.settings.worker_count)]
        starts = [asyncio.ensure_future(worker.start()) for worker in self._workers]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await self._end_workers()
            raise
        self.wants_heads = any(worker.wants_heads for worker in self._workers)
        self._restart_tasks = [
            asyncio.ensure_future(self._restart_forever(index))
            for index in range(len(self._workers))
        ]
        for task in self._restart_tasks:
            task.add_done_callback(self._check_restart_task)

    async def score(
        self, request: Request, timeout_s: float, hold: Callable[[], Callable[[], None]]
    ) -> Reply:
        """Return a worker's answer to a request.

        If the timeout expires before a worker has received the request, the request is dropped. If
        a worker has received the request, `run` continues until `run` returns or the worker cancels
        the request (see `worker_connection`). Until then, the pool stores the request.

        Args:
            request: The request.
            timeout_s: Maximum number of seconds until the answer.
            hold: Function that is called when the pool begins to store the request. The returned
                function is called when the pool no longer stores the request.

        Raises:
            OverloadError: The pool already has the maximum number of unanswered requests.
            PoolFailedError: The pool has given up the revision.
            WorkerLostError: Two workers received the request, one after the other, and each worker
                ended before it answered.
            TimeoutError: No worker answered within `timeout_s` seconds.
        """
        if self.failure:
            raise PoolFailedError(self.failure)
        if self.pending >= self.settings.pending_limit:
            raise OverloadError
        pending = PendingRequest(request, hold())
        expiry = asyncio.get_running_loop().call_later(timeout_s, self._expire, pending)
        self.pending += 1
        try:
            self._place(pending)
            return await pending.answer
        finally:
            self.pending -= 1
            expiry.cancel()
            # The traceback of an exception contains this frame, and the future contains the
            # exception. Without this line, the body would stay in memory until Python collects
            # garbage.
            del pending

    async def drain(self) -> None:
        """Wait until all requests are answered, or until the time limit for answers has passed."""
        deadline = time.monotonic() + self.settings.drain_s
        while self.pending and time.monotonic() < deadline:
            await asyncio.sleep(0.02)

    async def end(self) -> None:
        """End all workers, and wait until all workers have ended."""
        for task in self._restart_tasks:
            task.cancel()
        await asyncio.gather(*self._restart_tasks, return_exceptions=True)
        await self._end_workers()
        self._fail_waiting(WorkerLostError())

    def _new_worker(self) -> Worker:
        # With several workers, the next request waits in the pool for the first free worker. A
        # request that waits at a busy worker could not move to another worker.
        is_alone = self.settings.worker_count == 1
        capacity = self.settings.max_concurrent_requests if is_alone else 1
        return Worker(
            self.revision, self.settings, capacity, self._connection_free, self._connection_lost
        )

    async def _end_workers(self) -> None:
        await asyncio.gather(*(worker.end() for worker in self._workers))

    async def _restart_forever(self, index: int) -> None:
        """Restart a worker each time the worker ends, until the pool gives up the revision."""
        loop = asyncio.get_running_loop()
        while not self.failure:
            worker = self._workers[index]
            stable = loop.call_later(_STABLE_S, self._reset_counts, index)
            await worker.live()
            stable.cancel()
            await worker.end()
            self._count_exit(index, worker.ending, is_crash=not worker.has_lost_request)
            while not self.failure:
                await asyncio.sleep(delay_s(self._exits[index]))
                try:
                    await self._restart(index)
                    break
                except (StartError, OSError) as error:
                    _logger.warning("%s: %s", self.revision, error)
                    await self._workers[index].end()
                    why = self._workers[index].ending or str(error)
                    self._count_exit(index, why, is_crash=True)

    def _check_restart_task(self, task: asyncio.Task[None]) -> None:
        """Give up the revision if a task that restarts a worker has failed.

        No code awaits the task before the pool ends. Without this check, the error would be lost.
        """
        if not task.cancelled() and (fault := task.exception()) and not self.failure:
            self._give_up(f"the front can no longer restart a worker ({fault!r})")

    async def _restart(self, index: int) -> None:
        worker = self._workers[index] = self._new_worker()
        self.restarts += 1
        _logger.warning("%s: starting a new worker, because a worker has ended", self.revision)
        await worker.start()

    def _reset_counts(self, index: int) -> None:
        self._crashes[index] = self._exits[index] = 0

    def _count_exit(self, index: int, how: str, *, is_crash: bool) -> None:
        self._exits[index] += 1
        self._crashes[index] += is_crash
        # Do not give up before every worker has crashed CRASHES times. A worker that has crashed
        # less often may still answer requests.
        if min(self._crashes) >= CRASHES and not self.failure:
            last = _last_log_line(self.revision / LOG_FILE)
            self._give_up(f"a worker ended {CRASHES} times in a row ({how}){last}")

    def _give_up(self, why: str) -> None:
        self.failure = why
        _logger.error("%s: the revision is given up: %s", self.revision, why)
        self._on_failure(why)
        self._fail_waiting(PoolFailedError(why))

    def _place(self, pending: PendingRequest) -> None:
        """Send a request on the connection that became free most recently.

        If no connection is free, queue the request.
        """
        if self._free:
            self._free.pop().send(pending)
        else:
            self._waiting.append(pending)

    def _expire(self, pending: PendingRequest) -> None:
        if pending in self._waiting:
            self._waiting.remove(pending)
            pending.end(TimeoutError())
        else:
            pending.expire()

    def _connection_free(self, connection: Connection) -> None:
        if self._waiting:
            connection.send(self._waiting.popleft())
        else:
            self._free.append(connection)

    def _connection_lost(self, worker: Worker, unanswered: Sequence[PendingRequest]) -> None:
        self._free = [free for free in self._free if free is not worker.connection]
        for pending in reversed(unanswered):
            self._send_again(pending)

    def _send_again(self, pending: PendingRequest) -> None:
        if self.failure:
            pending.end(PoolFailedError(self.failure))
        elif pending.attempts >= _ATTEMPTS or pending.answer.done():
            pending.end(WorkerLostError())
        elif self._free:
            self._free.pop().send(pending)
        else:
            self._waiting.appendleft(pending)

    def _fail_waiting(self, error: Exception) -> None:
        while self._waiting:
            self._waiting.popleft().end(error)


def delay_s(exits: int) -> float:
    """Return the seconds before the restart of a worker that has ended `exits` times in a row."""
    # Limit the exponent, because a very large power of two would raise OverflowError.
    return min(FIRST_DELAY_S * 2.0 ** min(exits - 2, 30), _LONGEST_DELAY_S) if exits > 1 else 0.0


def _last_log_line(log: Path) -> str:
    """Return the text `; last log line: ...`, to append to a reason; empty if the log is empty."""
    try:
        lines = last_lines(log, _LOG_END)
    except OSError:
        return ""
    written = [line.strip() for line in lines if line.strip()]
    return f"; last log line: {written[-1]}" if written else ""
