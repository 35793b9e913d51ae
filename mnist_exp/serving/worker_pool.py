"""The worker processes of one revision, and the requests that wait for them.

A worker that ends is replaced: at once when it had been up for a while, later and later when it
had not, and when all of them have ended so a few times in a row the revision is given up (a crash
loop). A request whose worker ended under it goes to the next free worker, once. Such an end does
not count, nor that of a worker in which a request hangs, or callers could take a deployment down.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mnist_exp.serving.connection import Slot, Ticket, WorkerLostError
from mnist_exp.serving.frames import Reply, Request
from mnist_exp.serving.settings import LOG_FILE, load_settings
from mnist_exp.serving.tail import last_lines
from mnist_exp.serving.worker import Instance, StartError

_logger = logging.getLogger(__name__)

#: A worker that was up for so many seconds is replaced at once, and what was before is forgotten.
_STABLE_S = 4.0
#: So many ends in a row, none after STABLE_S, are a crash loop.
CRASHES = 5
#: Seconds before the second start in a row; twice as long before each further one, up to a limit.
FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 10.0
#: How many workers a request is given to.
_ATTEMPTS = 2
#: Among so many lines at a log's end is one that says why a revision was given up.
_LOG_END = 20


class OverloadError(Exception):
    """As many requests as allowed are unanswered."""


class GroupFailedError(Exception):
    """The revision has been given up; the text says why."""


class Group:
    """A revision's workers.

    Args:
        revision: Its folder.
        on_failure: Called with the reason when the revision is given up.
    """

    def __init__(self, revision: Path, on_failure: Callable[[str], None]) -> None:
        self.revision = revision
        self.settings = load_settings(revision)
        self.failure = ""
        self.restarts = 0
        self.pending = 0
        self._on_failure = on_failure
        self._instances: list[Instance] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._idle: list[Slot] = []
        self._waiting: deque[Ticket] = deque()
        # Of each process: how many requests it takes at a time, and how often it has ended in a
        # row before it was stable, by itself and altogether.
        self._slots = self.settings.slots * self.settings.instance_count
        self._crashes = [0] * len(self._slots)
        self._ends = [0] * len(self._slots)

    @property
    def number(self) -> int:
        """The revision's number."""
        return int(self.revision.name)

    @property
    def pids(self) -> list[int]:
        """The workers that run."""
        return [instance.pid for instance in self._instances if instance.pid is not None]

    @property
    def wants_headers(self) -> bool:
        """Whether the script's `run` takes the request's headers."""
        return any(instance.wants_headers for instance in self._instances)

    async def start(self) -> None:
        """Start all instances, and return when they are ready.

        Raises:
            StartError: One did not get ready; then none runs.
        """
        self._instances = [self._new_instance(index) for index in range(len(self._slots))]
        starts = [asyncio.ensure_future(one.start()) for one in self._instances]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await self._end_instances()
            raise
        self._keepers = [
            asyncio.ensure_future(self._keep(index)) for index in range(len(self._instances))
        ]
        for keeper in self._keepers:
            keeper.add_done_callback(self._kept)

    async def score(self, request: Request, timeout_s: float) -> Reply:
        """Return a worker's answer.

        A request that is not answered in time is taken back when it still waits; once a worker
        has it, it runs there to its end, or until the worker gives it up (see `lane`).

        Raises:
            OverloadError: Too many requests are unanswered.
            GroupFailedError: There is no worker, nor will there be one.
            WorkerLostError: Its workers ended under it.
            TimeoutError: No answer came in time.
        """
        if self.failure:
            raise GroupFailedError(self.failure)
        if self.pending >= self.settings.pending_limit:
            raise OverloadError
        loop = asyncio.get_running_loop()
        ticket = Ticket(request, loop.create_future())
        expiry = loop.call_later(timeout_s, _expire, ticket)
        self.pending += 1
        try:
            self._place(ticket)
            return await ticket.answer
        finally:
            self.pending -= 1
            expiry.cancel()

    async def drain(self) -> None:
        """Return when every request has its answer, or none can come any more."""
        deadline = time.monotonic() + self.settings.drain_s
        while self.pending and time.monotonic() < deadline:
            await asyncio.sleep(0.02)

    async def end(self) -> None:
        """End all workers, and return when they are gone."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await self._end_instances()
        self._give_up_waiting(WorkerLostError())

    def _new_instance(self, index: int) -> Instance:
        new_slot = partial(Slot, self._freed, self._lost)
        return Instance(self.revision, self.settings, self._slots[index], new_slot)

    async def _end_instances(self) -> None:
        await asyncio.gather(*(instance.end() for instance in self._instances))

    async def _keep(self, index: int) -> None:
        """See that an instance is there."""
        loop = asyncio.get_running_loop()
        while not self.failure:
            instance = self._instances[index]
            stable = loop.call_later(_STABLE_S, self._forget_ends, index)
            await instance.live()
            stable.cancel()
            await instance.end()
            # It must have been noticed by now that the connections are closed.
            await asyncio.sleep(0)
            # What a request has done to a worker is not held against the script.
            self._count_end(index, instance.ending, is_crash=not instance.is_cut)
            while not self.failure:
                await asyncio.sleep(delay_s(self._ends[index]))
                try:
                    await self._restart(index)
                    break
                except (StartError, OSError) as error:
                    _logger.warning("%s: %s", self.revision, error)
                    await self._instances[index].end()
                    why = self._instances[index].ending or str(error)
                    self._count_end(index, why, is_crash=True)

    def _kept(self, keeper: asyncio.Task[None]) -> None:
        """See that no worker is missed in silence: nobody waits for its keeper."""
        if not keeper.cancelled() and (fault := keeper.exception()) and not self.failure:
            self._give_up(f"its workers cannot be looked after ({fault!r})")

    async def _restart(self, index: int) -> None:
        instance = self._instances[index] = self._new_instance(index)
        self.restarts += 1
        _logger.warning("%s: starting a worker in place of one that ended", self.revision)
        await instance.start()

    def _forget_ends(self, index: int) -> None:
        self._crashes[index] = self._ends[index] = 0

    def _count_end(self, index: int, how: str, *, is_crash: bool) -> None:
        self._ends[index] += 1
        self._crashes[index] += is_crash
        # As long as one works, the others are tried again.
        if min(self._crashes) >= CRASHES and not self.failure:
            last = last_words(self.revision / LOG_FILE)
            self._give_up(f"a worker ended {CRASHES} times in a row ({how}){last}")

    def _give_up(self, why: str) -> None:
        self.failure = why
        _logger.error("%s: given up: %s", self.revision, why)
        self._on_failure(why)
        self._give_up_waiting(GroupFailedError(why))

    def _place(self, ticket: Ticket) -> None:
        """Give a request to the slot that was busy last, or let it wait."""
        if self._idle:
            self._idle.pop().ask(ticket)
        else:
            self._waiting.append(ticket)

    def _freed(self, slot: Slot) -> None:
        while self._waiting:
            ticket = self._waiting.popleft()
            if not ticket.answer.done():
                slot.ask(ticket)
                return
        self._idle.append(slot)

    def _lost(self, slot: Slot, ticket: Ticket | None) -> None:
        if slot in self._idle:
            self._idle.remove(slot)
        if ticket is None or ticket.answer.done():
            return
        if self.failure:
            ticket.answer.set_exception(GroupFailedError(self.failure))
        elif ticket.attempts >= _ATTEMPTS:
            ticket.answer.set_exception(WorkerLostError())
        elif self._idle:
            self._idle.pop().ask(ticket)
        else:
            self._waiting.appendleft(ticket)

    def _give_up_waiting(self, error: Exception) -> None:
        while self._waiting:
            ticket = self._waiting.popleft()
            if not ticket.answer.done():
                ticket.answer.set_exception(error)


def delay_s(ends: int) -> float:
    """Return the seconds before a worker is started again that has ended so often in a row."""
    # Doubled so often at most, or the number would be too large to be one.
    return min(FIRST_DELAY_S * 2.0 ** min(ends - 2, 30), _LONGEST_DELAY_S) if ends > 1 else 0.0


def last_words(log: Path) -> str:
    """Return the last line of a log, to be put behind a reason; empty if there is none."""
    try:
        lines = last_lines(log, _LOG_END)
    except OSError:
        return ""
    spoken = [line.strip() for line in lines if line.strip()]
    return f"; its last words: {spoken[-1]}" if spoken else ""


def _expire(ticket: Ticket) -> None:
    if not ticket.answer.done():
        ticket.answer.set_exception(TimeoutError())
