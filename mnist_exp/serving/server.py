"""The server process: an app in front of a worker, on a leash."""

import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from mnist_exp.serving.app import create_app
from mnist_exp.serving.keys import KeyCheck
from mnist_exp.serving.leash import READY, Leash
from mnist_exp.serving.script import ScoringScript
from mnist_exp.serving.settings import CODE_FOLDER, Settings, load_settings
from mnist_exp.serving.worker import Worker

__all__ = ["INIT_FAILED", "serve"]

logger = logging.getLogger(__name__)

#: Exit code when the script cannot be imported or `init` raises; Azure ML's server has the same.
INIT_FAILED = 3
#: Seconds between connecting and sending that a caller is granted.
MOMENT_S = 0.1
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Server(uvicorn.Server):
    """Uvicorn that says when it is ready and that always ends when asked to.

    Args:
        app: The application.
        leash: Hears that requests are accepted.
        drain_s: Seconds that requests under way get when the server ends.
    """

    def __init__(self, app: ASGIApp, leash: Leash, drain_s: int) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=drain_s,
        )
        super().__init__(config)
        self._leash = leash
        self._drain_s = drain_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept requests, and say so."""
        await super().startup(sockets)
        self._leash.say(READY)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connection, answer what has been sent, and end."""
        for listening in self.servers:
            listening.close()
        # Uvicorn closes every silent connection, so one made just now gets time to send.
        await asyncio.sleep(MOMENT_S)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End on a signal."""
        self._set_deadline()
        super().handle_exit(sig, frame)

    def leave(self, why: str) -> None:
        """End because the reason to be here has gone; may be called from any thread."""
        logger.info("ending: %s", why)
        if not self.started:
            # Nobody waits for an answer, and `init` may take long or hang.
            os._exit(0)
        self._set_deadline()
        self.should_exit = True

    def _set_deadline(self) -> None:
        # The kernel ends the process then, whatever a script's threads are doing.
        signal.alarm(self._drain_s + 2)


def serve(folder: Path, listener: socket.socket, connection: socket.socket) -> int:
    """Serve the deployment in `folder` until told to end; return the exit code.

    Args:
        folder: Holds `server.json` and the copied code.
        listener: Bound to the port that is served.
        connection: The leash to the command that starts this process.
    """
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stdout)
    for name in ("uvicorn", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    settings = load_settings(folder)
    leash = Leash(connection, Path(settings.record_file))
    script = ScoringScript(folder / CODE_FOLDER, settings.entry_script)
    worker = Worker(script, settings.max_concurrent_requests_per_instance)
    app = create_app(settings, worker, KeyCheck(Path(settings.keys_file)))
    server = Server(app, leash, settings.drain_s)
    leash.say(str(os.getpid()).encode())
    leash.watch(server.leave)
    if not _started(worker, settings):
        return INIT_FAILED
    # A script may have claimed the signal that is our last resort.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    server.run(sockets=[listener])
    return 0


def _started(worker: Worker, settings: Settings) -> bool:
    if settings.instance_count > 1:
        logger.info(
            "instance_count is %d; on this machine one process serves", settings.instance_count
        )
    try:
        worker.start()
    # Even SystemExit: the log must say why there is no deployment.
    except BaseException:
        logger.exception("%s: import or init() failed", settings.entry_script)
        return False
    logger.info("%s: init() is through", settings.entry_script)
    return True
