"""One worker process: started, asked for signs of life, ended."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mnist_exp.orphans import LOOK_S, STUCK_S, kill_children
from mnist_exp.serving.connection import Slot
from mnist_exp.serving.frames import HUNG, PING, READY, READY_FOR_HEADERS
from mnist_exp.serving.settings import CODE_FOLDER, LOG_FILE, Settings

_WORKER_MODULE = "mnist_exp.serving.worker_process"
#: Seconds that a worker has to end by itself when its connections close.
_PARTING_S = 2.0

#: The workers of this process: its other children are what workers have left.
_running: set[int] = set()


class StartError(Exception):
    """A worker ended, or did not get ready in time; the text says which."""


class Instance:
    """A worker of a revision.

    Args:
        revision: The revision's folder.
        settings: Its settings.
        slots: How many requests it takes at a time.
        new_slot: Makes the protocol for each connection.
    """

    def __init__(
        self, revision: Path, settings: Settings, slots: int, new_slot: Callable[[], Slot]
    ) -> None:
        self._revision = revision
        self._settings = settings
        self._count = slots
        self._new_slot = new_slot
        self._process: subprocess.Popen[bytes] | None = None
        self._control: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._unopened: list[socket.socket] = []
        self.wants_headers = False
        self.slots: list[Slot] = []
        self.gone = asyncio.Event()
        # Why it was ended by us; empty where it ended by itself.
        self._fault = ""

    @property
    def pid(self) -> int | None:
        """The worker's process id, None before it is started and when it has gone."""
        return self._process.pid if self._process and not self.gone.is_set() else None

    @property
    def ending(self) -> str:
        """How the worker ended: `exit code 3`, `SIGKILL`, or our reason; empty while it runs."""
        code = self._process.returncode if self._process else None
        if code is None:
            return ""
        if self._fault:
            return self._fault
        return f"exit code {code}" if code >= 0 else _signal_name(-code)

    @property
    def is_cut(self) -> bool:
        """Whether the worker ended under a request, or because of one that it had given up."""
        is_hung = self._process is not None and self._process.returncode == HUNG
        return is_hung or any(slot.is_cut for slot in self.slots)

    async def start(self) -> None:
        """Start the worker and return when `init` is through.

        Raises:
            StartError: It did not come to that.
        """
        pairs = [socket.socketpair() for _ in range(self._count + 1)]
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
                await self._ready()
                await self._open_slots()
        except TimeoutError:
            self._fault = f"init() must be through within {patience_s:g} s, and is not"
            raise StartError(self._fault) from None

    async def live(self) -> None:
        """Return when the worker has gone; end one that gives no sign of life any more."""
        probe = self._settings.liveness_probe
        failures = 0
        with suppress(TimeoutError):
            await asyncio.wait_for(self.gone.wait(), probe.initial_delay)
        while not self.gone.is_set():
            failures = 0 if await self._is_alive(probe.timeout) else failures + 1
            if failures >= probe.failure_threshold:
                self._fault = "it gave no sign of life"
                self.kill()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.gone.wait(), probe.period)

    async def end(self) -> None:
        """End the worker and what it has started, and return when they are gone."""
        for slot in self.slots:
            slot.close()
        for connection in self._unopened:
            connection.close()
        if self._control is not None:
            self._control[1].close()
        if self._process is None:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self.gone.wait(), _PARTING_S)
        self.kill()
        await self.gone.wait()
        await self._end_leftovers()

    async def _end_leftovers(self) -> None:
        """Kill what workers have left, and return when it is gone."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STUCK_S):
                while kill_children(_running.__contains__):
                    await asyncio.sleep(LOOK_S)

    def kill(self) -> None:
        """End the worker now."""
        if self._process is not None and not self.gone.is_set():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _spawn(self, connections: list[socket.socket]) -> None:
        descriptors = [connection.fileno() for connection in connections]
        # -P: a file of the user's code must not stand in for a library of the worker.
        command = [sys.executable, "-P", "-m", _WORKER_MODULE, str(self._revision)]
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
            # Without a descriptor left for it nobody would hear of its end.
            process.kill()
            process.wait()
            raise StartError(f"the worker cannot be watched ({error})") from error
        self._process = process
        _running.add(process.pid)
        asyncio.get_running_loop().add_reader(handle, self._reap, process, handle)

    def _reap(self, process: "subprocess.Popen[bytes]", handle: int) -> None:
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)
        # Its pid is not used again before it is waited for: this hits its own children alone.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _running.discard(process.pid)
        self.gone.set()

    async def _ready(self) -> None:
        said = await self._heard()
        if said not in (READY, READY_FOR_HEADERS):
            with suppress(TimeoutError):
                await asyncio.wait_for(self.gone.wait(), _PARTING_S)
            how = f" ({self.ending})" if self.ending else ""
            raise StartError(f"the scoring script failed on import or in init(){how}")
        self.wants_headers = said == READY_FOR_HEADERS
        probe = self._settings.readiness_probe
        for _ in range(probe.success_threshold - 1):
            await asyncio.sleep(probe.period)
            if not await self._is_alive(probe.timeout):
                raise StartError("the worker ended as soon as it was ready")

    async def _open_slots(self) -> None:
        loop = asyncio.get_running_loop()
        while self._unopened:
            connection = self._unopened.pop()
            _, slot = await loop.create_unix_connection(self._new_slot, sock=connection)
            self.slots.append(slot)

    async def _is_alive(self, timeout_s: float) -> bool:
        if self._control is None:
            return False
        try:
            self._control[1].write(PING)
            # A late sign of an earlier question is a sign too.
            return bool(await asyncio.wait_for(self._heard(), timeout_s))
        except (TimeoutError, OSError):
            return False

    async def _heard(self) -> bytes:
        if self._control is None:
            return b""
        try:
            return await self._control[0].read(1)
        except OSError:
            return b""


def _signal_name(number: int) -> str:
    # Of the real-time signals Python names the first and the last.
    names = {int(one): one.name for one in signal.Signals}
    return names.get(number, f"signal {number}")
