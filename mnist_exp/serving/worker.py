"""One worker of a revision: starts, probes and ends the process of the worker."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from mnist_exp.orphans import LOOK_S, STUCK_S, kill_children
from mnist_exp.serving.connection import Connection, PendingRequest
from mnist_exp.serving.frames import PING, READY, READY_FOR_HEADS
from mnist_exp.serving.settings import CODE_FOLDER, LOG_FILE, Settings

#: After its connections have closed, a worker may run for this many seconds. Then the front kills
#: the worker.
_PARTING_S = 2.0

#: Process ids of the running workers. If a child process of the front is not in this set, it is an
#: orphan process: the worker that started it has ended.
_running: set[int] = set()


class StartError(Exception):
    """A worker ended before it was ready, or was not ready in time.

    The text of the error is the reason.
    """


class Worker:
    """A worker of a revision, and its process.

    Args:
        revision: The revision's folder.
        settings: The revision's settings.
        capacity: Maximum number of requests that are sent to the worker and have no answer.
        on_free: Function that is called when the connection can take one more request.
        on_lost: Function that is called when the worker has ended. Arguments: the worker, and the
            requests that the worker has not answered.

    Attributes:
        connection: The connection for requests; None before the worker is ready.
        wants_heads: Whether the script needs the head of every request.
        has_lost_request: Whether the worker ended during a request.
    """

    def __init__(
        self,
        revision: Path,
        settings: Settings,
        capacity: int,
        on_free: Callable[[Connection], None],
        on_lost: Callable[["Worker", Sequence[PendingRequest]], None],
    ) -> None:
        self._revision = revision
        self._settings = settings
        self._capacity = capacity
        self._on_free = on_free
        self._on_lost = on_lost
        self._process: subprocess.Popen[bytes] | None = None
        self._control: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._unopened: list[socket.socket] = []
        self.connection: Connection | None = None
        self._ended = asyncio.Event()
        self.wants_heads = False
        self.has_lost_request = False
        # The reason why the front ended the worker; empty if the front did not end the worker.
        self._fault = ""

    @property
    def pid(self) -> int | None:
        """The worker's process id; None before the worker is started and after it has ended."""
        return self._process.pid if self._process and not self._ended.is_set() else None

    @property
    def ending(self) -> str:
        """Description of the worker's end; empty while the worker runs.

        Examples: `exit code 3`, `SIGKILL`, or the reason why the front ended the worker.
        """
        code = self._process.returncode if self._process else None
        if code is None:
            return ""
        if self._fault:
            return self._fault
        return f"exit code {code}" if code >= 0 else _signal_name(-code)

    async def start(self) -> None:
        """Start the worker, and wait until `init` has succeeded.

        Raises:
            StartError: The worker did not become ready.
        """
        pairs = [socket.socketpair() for _ in range(2)]
        self._unopened = [ours for ours, _ in pairs]
        try:
            self._spawn([theirs for _, theirs in pairs])
        finally:
            for _, theirs in pairs:
                theirs.close()
        self._control = await asyncio.open_unix_connection(sock=self._unopened.pop(0))
        patience_s = self._settings.readiness_probe.patience_s
        try:
            async with asyncio.timeout(patience_s):
                await self._become_ready()
                await self._open_connection()
        except TimeoutError:
            self._fault = f"init() must return within {patience_s:g} s; it has not returned"
            raise StartError(self._fault) from None

    async def live(self) -> None:
        """Probe the worker until the worker has ended. Kill a worker that fails too many probes."""
        probe = self._settings.liveness_probe
        failures = 0
        await self._wait_for_end(probe.initial_delay)
        while not self._ended.is_set():
            failures = 0 if await self._is_alive(probe.timeout) else failures + 1
            if failures >= probe.failure_threshold:
                self._fault = f"the worker failed {failures} liveness probes"
                self._kill()
            await self._wait_for_end(probe.period)

    async def end(self) -> None:
        """End the worker and its child processes, and wait until all these processes have ended."""
        if self.connection is not None:
            self.connection.close()
            await self.connection.wait_closed()
        for unopened in self._unopened:
            unopened.close()
        if self._control is not None:
            self._control[1].close()
        if self._process is None:
            return
        await self._wait_for_end(_PARTING_S)
        self._kill()
        await self._ended.wait()
        await _kill_orphans()

    def _kill(self) -> None:
        if self._process is not None and not self._ended.is_set():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _spawn(self, sockets: list[socket.socket]) -> None:
        descriptors = [connection.fileno() for connection in sockets]
        command = [*self._settings.command, str(self._revision)]
        try:
            with (self._revision / LOG_FILE).open("ab") as log:
                process = subprocess.Popen(
                    [*command, *map(str, descriptors)],
                    cwd=self._revision / CODE_FOLDER,
                    env=dict(self._settings.variables),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=descriptors,
                    start_new_session=True,
                )
        except OSError as error:
            raise StartError(f"the worker cannot be started ({error})") from error
        try:
            handle = os.pidfd_open(process.pid)
        except OSError as error:
            # Without this descriptor, the front would not notice the end of the process.
            process.kill()
            process.wait()
            why = f"the front cannot open a descriptor for the worker's process ({error})"
            raise StartError(why) from error
        self._process = process
        _running.add(process.pid)
        asyncio.get_running_loop().add_reader(handle, self._reap, process, handle)

    def _reap(self, process: "subprocess.Popen[bytes]", handle: int) -> None:
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)
        # Kill the process group before wait(). After wait(), the kernel may give the process id to
        # another process.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _running.discard(process.pid)
        self._ended.set()

    async def _wait_for_end(self, timeout_s: float) -> None:
        """Wait until the worker has ended or the time is over."""
        # Do not use `asyncio.wait_for`. In Python 3.11, this function loses a cancellation that
        # arrives while the worker ends. The pool would then continue to restart the worker, and
        # `WorkerPool.end` would never return.
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._ended.wait()

    async def _become_ready(self) -> None:
        received = await self._receive()
        if received not in (READY, READY_FOR_HEADS):
            await self._wait_for_end(_PARTING_S)
            how = f" ({self.ending})" if self.ending else ""
            raise StartError(f"the scoring script failed during its import or in init(){how}")
        self.wants_heads = received == READY_FOR_HEADS
        probe = self._settings.readiness_probe
        for _ in range(probe.success_threshold - 1):
            await asyncio.sleep(probe.period)
            if not await self._is_alive(probe.timeout):
                raise StartError("the worker failed a readiness probe after init() had returned")

    async def _open_connection(self) -> None:
        # Set the attribute before the connection opens, because an open connection takes requests
        # immediately.
        self.connection = Connection(self._capacity, self._on_free, self._connection_lost)
        connection, loop = self.connection, asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: connection, sock=self._unopened.pop())

    def _connection_lost(self, unanswered: Sequence[PendingRequest]) -> None:
        self.has_lost_request = bool(unanswered)
        self._on_lost(self, unanswered)

    async def _is_alive(self, timeout_s: float) -> bool:
        if self._control is None:
            return False
        try:
            self._control[1].write(PING)
            # The received byte may be a late answer to an earlier ping. A late answer also shows
            # that the worker is alive.
            async with asyncio.timeout(timeout_s):
                return bool(await self._receive())
        except (TimeoutError, OSError):
            return False

    async def _receive(self) -> bytes:
        if self._control is None:
            return b""
        try:
            return await self._control[0].read(1)
        except OSError:
            return b""


async def _kill_orphans() -> None:
    """Kill the orphan processes of ended workers, and wait until these processes have ended."""
    with suppress(TimeoutError):
        async with asyncio.timeout(STUCK_S):
            while kill_children(_running.__contains__):
                await asyncio.sleep(LOOK_S)


def _signal_name(number: int) -> str:
    # Python has no names for most real-time signals.
    names = {int(known): known.name for known in signal.Signals}
    return names.get(number, f"signal {number}")
