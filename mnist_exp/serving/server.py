"""The front's process: uvicorn on the endpoint's socket, for as long as the endpoint is there."""

import asyncio
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
from types import FrameType

import uvicorn

from mnist_exp.orphans import adopt_orphans
from mnist_exp.serving.app import Application
from mnist_exp.serving.control import Control
from mnist_exp.serving.files import DELETED, FRONT_FILE, LOCK_FILE, read_json, replace_json
from mnist_exp.serving.front import Front
from mnist_exp.serving.protocol import LimitedProtocol

_logger = logging.getLogger(__name__)

#: Seconds between two looks at the files.
_PERIOD_S = 0.5
#: Seconds between connecting and sending that a caller is granted.
_MOMENT_S = 0.1
#: Seconds until a connection that nobody uses is closed.
_KEEP_ALIVE_S = 60
#: Seconds that workers get beyond their last answer, before the kernel ends everything.
_MARGIN_S = 8
_LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"


class Server(uvicorn.Server):
    """Uvicorn for one endpoint.

    Args:
        folder: The endpoint's folder.
        ready: Told by one byte that requests are answered.
    """

    def __init__(self, folder: Path, ready: socket.socket) -> None:
        self._folder = folder
        self._ready = ready
        self._front = Front(folder)
        self._control = Control(folder, self._front.handle, self._front.settle)
        self._watch: asyncio.Task[None] | None = None
        self.is_expired = False
        config = uvicorn.Config(
            Application(self._front),  # type: ignore[arg-type]
            http=LimitedProtocol,
            loop="uvloop",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start what is deployed, accept requests and wishes, and say so."""
        await self._front.start()
        await super().startup(sockets)
        await self._control.open()
        replace_json(self._folder / FRONT_FILE, _this_process())
        self._watch = asyncio.ensure_future(self._watch_files())
        with suppress(OSError):
            self._ready.send(b"r")
        self._ready.close()
        _logger.info("endpoint %s is at port %d", self._front.name, self._front.record.port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connection, answer what has been sent, end the workers, and end."""
        self._set_deadline()
        self._control.close()
        if self._watch is not None:
            self._watch.cancel()
        for listening in self.servers:
            listening.close()
        # Uvicorn closes every silent connection, so one made just now gets time to send.
        await asyncio.sleep(_MOMENT_S)
        self.config.timeout_graceful_shutdown = self._front.drain_s
        await super().shutdown(sockets)
        await self._front.end()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End on a signal."""
        self._set_deadline()
        super().handle_exit(sig, frame)

    async def _watch_files(self) -> None:
        """End when the endpoint has gone, belongs to another process, or has expired."""
        while not self.should_exit:
            await asyncio.sleep(_PERIOD_S)
            if not self._is_named():
                _logger.info("ending: the endpoint's files do not name this process")
                self.should_exit = True
            expires = self._front.record.expires
            if expires is not None and time.time() >= expires and self._lock():
                _logger.info("ending: endpoint.ttl is over")
                self.is_expired = self.should_exit = True

    def _is_named(self) -> bool:
        try:
            named = read_json(self._folder / FRONT_FILE)
        except (OSError, ValueError):
            # A disk in trouble is no reason to stop answering.
            return True
        return named is not None and named["pid"] == os.getpid()

    def _lock(self) -> bool:
        """Keep commands from changing the endpoint until this process has gone."""
        flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC
        try:
            handle = os.open(self._folder / LOCK_FILE, flags, 0o644)
        except OSError:
            # A disk in trouble, or too many connections: the next look may do better.
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        return True

    def _set_deadline(self) -> None:
        # The kernel ends the process then, and the workers with it, whatever a script does.
        signal.alarm(self._front.drain_s + _MARGIN_S)


def serve(folder: Path, listener: socket.socket, ready: socket.socket) -> None:
    """Be the front of the endpoint in `folder` until told to end.

    Args:
        folder: The endpoint's folder.
        listener: Bound to the endpoint's port.
        ready: To the command that starts this process.
    """
    adopt_orphans()
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, stream=sys.stdout)
    for name in ("uvicorn", "asyncio"):
        logging.getLogger(name).setLevel(logging.ERROR)
    _allow_many_connections()
    server = Server(folder, ready)
    server.run(sockets=[listener])
    if server.is_expired:
        gone = folder.with_name(f"{DELETED}{folder.name}-{secrets.token_hex(4)}")
        folder.rename(gone)
        shutil.rmtree(gone)


def _allow_many_connections() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _this_process() -> dict[str, object]:
    """Return what tells this process from any other, as `workspaces.local` reads it."""
    stat = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
    started = int(stat.rpartition(")")[2].split()[19])
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return {"pid": os.getpid(), "started": started, "boot": boot}
