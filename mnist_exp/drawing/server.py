"""The server of the page, in a thread of the command."""

import socket
import threading
import time

import uvicorn

from mnist_exp.drawing.app import Page, application
from mnist_exp.drawing.guard import Guard
from mnist_exp.errors import ConfigError

#: Seconds between two looks at the time of the last request.
_LOOK_S = 0.2
#: Maximum number of requests at the same time, and of seconds of a connection without a request.
_CONNECTIONS, _KEEP_ALIVE_S = 32, 30


class PageServer:
    """A server on 127.0.0.1 that runs inside a `with` block.

    Args:
        page: The content of the page.
        port: The port; None for a free port.

    Raises:
        ConfigError: Another program uses the port.
    """

    def __init__(self, page: Page, port: int | None = None) -> None:
        self._socket = _listener(port)
        self.port: int = self._socket.getsockname()[1]
        self._last_used = time.monotonic()
        self._guard = Guard(application(page), self.port, self._note_use)
        config = uvicorn.Config(
            self._guard,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        # Only in the main thread, uvicorn installs signal handlers of its own.
        sockets = [self._socket]
        self._thread = threading.Thread(target=self._server.run, args=(sockets,), daemon=True)

    @property
    def address(self) -> str:
        """The address of the page, with a token that works once."""
        return f"http://127.0.0.1:{self.port}/?token={self._guard.token}"

    def __enter__(self) -> "PageServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def wait_until_idle(self, idle_s: float) -> None:
        """Wait until nobody has used the page for `idle_s` seconds."""
        while self._thread.is_alive() and time.monotonic() - self._last_used < idle_s:
            time.sleep(min(_LOOK_S, idle_s))

    def _note_use(self) -> None:
        self._last_used = time.monotonic()


def _listener(port: int | None) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(("127.0.0.1", port or 0))
        found.listen()
    except OSError as error:
        found.close()
        raise ConfigError(
            [f"page.port: must be a free port, got {port} ({error.strerror}); choose another port"]
        ) from error
    return found
