"""The front's process, which serves HTTP until the endpoint is deleted or a signal arrives."""

import asyncio
import ctypes
import fcntl
import logging
import os
import resource
import secrets
import shutil
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

import uvloop

from mnist_exp.orphans import adopt_orphans
from mnist_exp.serving.app import Application
from mnist_exp.serving.control import ControlServer
from mnist_exp.serving.files import DELETED, FRONT_FILE, LOCK_FILE, read_json, replace_json
from mnist_exp.serving.front import Front
from mnist_exp.serving.http_connection import HttpConnection
from mnist_exp.serving.http_limits import Connections
from mnist_exp.serving.http_stream import Stream

_logger = logging.getLogger(__name__)

#: Seconds between two checks of the endpoint's files.
_PERIOD_S = 0.5
#: When the front ends, a client that has just connected has this many seconds to send a request.
_GRACE_S = 0.1
#: Maximum number of connections that wait in the kernel until the front accepts them.
_BACKLOG = 4096
#: When the front ends, it first answers the requests in progress. Then the workers have this many
#: seconds to end. After this time the kernel ends the front, and the workers end with the front.
_MARGIN_S = 8
#: The parameter M_MMAP_THRESHOLD of glibc's `mallopt`, and its value in bytes.
_MMAP_THRESHOLD, _MMAP_BYTES = -3, 1024 * 1024
_LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"


class Server:
    """The server of one endpoint.

    Args:
        folder: The endpoint's folder.
        ready: Socket to which one byte is sent when the endpoint can answer requests.
    """

    def __init__(self, folder: Path, ready: socket.socket) -> None:
        self._folder = folder
        self._ready = ready
        self._front = Front(folder)
        self._control = ControlServer(folder, self._front.handle, self._front.settle)
        self._application = Application(self._front)
        self._connections = Connections()
        self._ending = asyncio.Event()
        self.is_expired = False

    async def serve(self, listener: socket.socket) -> None:
        """Serve requests until the endpoint is deleted or a signal arrives."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._begin_shutdown)
        await self._front.start()
        accepting = await loop.create_server(
            lambda: Stream(self._open), sock=listener, backlog=_BACKLOG
        )
        await self._control.open()
        replace_json(self._folder / FRONT_FILE, _this_process())
        with suppress(OSError):
            self._ready.send(b"r")
        self._ready.close()
        _logger.info("endpoint %s listens on port %d", self._front.name, self._front.saved.port)
        await self._watch_files()
        await self._shut_down(accepting)

    def _open(self, stream: Stream) -> None:
        HttpConnection(stream, self._application, self._connections).start()

    async def _shut_down(self, accepting: asyncio.Server) -> None:
        """Stop accepting connections, answer the requests in progress, and end the workers."""
        self._set_deadline()
        self._control.close()
        accepting.close()
        # Give new clients time to send a request. Connections without a request are closed.
        await asyncio.sleep(_GRACE_S)
        await self._connections.close(self._front.drain_s)
        await self._front.end()

    def _begin_shutdown(self) -> None:
        self._set_deadline()
        self._ending.set()

    async def _watch_files(self) -> None:
        """Return when the endpoint is deleted, has expired or has a newer front."""
        while not self._ending.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_PERIOD_S):
                    await self._ending.wait()
            if not self._is_named():
                _logger.info("this front ends, because front.json does not name its process")
                self._ending.set()
            expires = self._front.saved.expires
            if expires is not None and time.time() >= expires and self._lock():
                _logger.info("this front ends and deletes the endpoint: endpoint.ttl has expired")
                self.is_expired = True
                self._ending.set()

    def _is_named(self) -> bool:
        try:
            named = read_json(self._folder / FRONT_FILE)
        except (OSError, ValueError):
            # Continue to answer requests even if the disk fails.
            return True
        return named is not None and named["pid"] == os.getpid()

    def _lock(self) -> bool:
        """Prevent commands from changing the endpoint until this process has ended.

        Return False if a command is changing the endpoint, or if the lock file cannot be opened.
        """
        flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC
        try:
            handle = os.open(self._folder / LOCK_FILE, flags, 0o644)
        except OSError:
            # The disk failed, or too many files are open. `_watch_files` tries again at its next
            # check.
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        return True

    def _set_deadline(self) -> None:
        # At the deadline the kernel ends this process, even if a scoring script blocks and its
        # worker does not end. All workers end when this process has ended.
        signal.alarm(self._front.drain_s + _MARGIN_S)


def serve(folder: Path, listener: socket.socket, ready: socket.socket) -> None:
    """Run the front of an endpoint until the endpoint is deleted or a signal arrives.

    Args:
        folder: The endpoint's folder.
        listener: Socket that is bound to the endpoint's port.
        ready: Socket to the command that started this process.
    """
    adopt_orphans()
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, stream=sys.stdout)
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    _allow_many_connections()
    _return_large_blocks()
    server = Server(folder, ready)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(listener))
    if server.is_expired:
        deleted = folder.with_name(f"{DELETED}{folder.name}-{secrets.token_hex(4)}")
        folder.rename(deleted)
        shutil.rmtree(deleted)


def _allow_many_connections() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _return_large_blocks() -> None:
    """Let the allocator return the memory of each large body to the kernel.

    By default, glibc keeps large blocks after it has allocated and freed some of them.
    """
    # Other C libraries than glibc have no such function.
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _MMAP_BYTES)


def _this_process() -> dict[str, object]:
    """Return the identity of this process, as the content of front.json.

    `workspaces.local.endpoints.server_processes` reads this file.
    """
    stat = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
    started = int(stat.rpartition(")")[2].split()[19])
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return {"pid": os.getpid(), "started": started, "boot": boot}
