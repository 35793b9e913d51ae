"""An MLflow tracking server, for jobs whose version of MLflow may differ from this command's.

MLflow's client opens an SQLite store only if the client has the same version as the store. Over
HTTP, all versions of the client can use the store. The server listens only on 127.0.0.1.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from mnist_exp.workspaces.local.tracking.database import ARTIFACTS_NAME, STORE_NAME, store_uri

_MODULE = "mnist_exp.workspaces.local.tracking.server_process"
_LOOPBACK = "127.0.0.1"
#: Maximum number of connections that wait until the server accepts them. The trials of a sweep
#: connect while the server still starts.
_BACKLOG = 1024
#: Seconds between SIGTERM and SIGKILL.
_GRACE_S = 5.0


@contextlib.contextmanager
def served_store(outputs: Path, log: Path) -> Iterator[str]:
    """Run a tracking server until the block ends, and return the server's address.

    The address is valid at once. The server needs seconds to start. Earlier requests wait until the
    server has started.

    Args:
        outputs: The folder with the store.
        log: The file for the server's output.
    """
    listener = socket.create_server((_LOOPBACK, 0), backlog=_BACKLOG)
    port = listener.getsockname()[1]
    with kept_running(lambda: _started(listener, outputs, log), listener):
        yield f"http://{_LOOPBACK}:{port}"


@contextlib.contextmanager
def kept_running(
    start: Callable[[], "subprocess.Popen[bytes]"], listener: socket.socket
) -> Iterator[None]:
    """Run a server until the block ends. If a signal ends the server, restart the server.

    The listener is closed at the end of the block, or earlier if the server ends with a fault.
    Clients of a server with a fault therefore get an error. With an open listener, their requests
    would wait for ever.

    Args:
        start: Starts the server's process. The standard input of the process must be a pipe.
        listener: The socket on which the server listens.
    """
    with listener:
        server = _Server(start, listener)
        try:
            yield
        finally:
            server.close()


class _Server:
    """The server's process. If a signal kills the process, a new process is started."""

    def __init__(
        self, start: Callable[[], "subprocess.Popen[bytes]"], listener: socket.socket
    ) -> None:
        self._start = start
        self._listener = listener
        self._is_closing = False
        #: Lock that is held while a new process replaces a killed process. `close` waits for this
        #: lock, and then ends the new process.
        self._replacing = threading.Lock()
        self._process = start()
        self._watch = threading.Thread(target=self._restart_if_lost, daemon=True)
        self._watch.start()

    def close(self) -> None:
        """End the process."""
        with self._replacing:
            self._is_closing = True
        process = self._process
        process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
        self._watch.join()
        _close_input(process)

    def _restart_if_lost(self) -> None:
        # Replace a process that was killed by a signal. Do not replace a process that has exited
        # with a fault, because a new process would have the same fault. An OSError means that the
        # new process could not be started.
        with self._listener, contextlib.suppress(OSError):
            while self._process.wait() < 0 and self._is_replaced():
                pass

    def _is_replaced(self) -> bool:
        """Start a new process, and return True; return False if the server is being closed."""
        with self._replacing:
            if self._is_closing:
                return False
            lost, self._process = self._process, self._start()
        _close_input(lost)
        return True


def _close_input(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin:
        process.stdin.close()


def _started(listener: socket.socket, outputs: Path, log: Path) -> "subprocess.Popen[bytes]":
    uri = store_uri(outputs / STORE_NAME)
    theirs = {
        # MLflow's own command `mlflow server` passes its options in these variables.
        "_MLFLOW_SERVER_FILE_STORE": uri,
        "_MLFLOW_SERVER_REGISTRY_STORE": uri,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": (outputs / ARTIFACTS_NAME).as_uri(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    # Omit the user's variables of MLflow, which may name another server or contain a password.
    ours = {name: text for name, text in os.environ.items() if not name.startswith("MLFLOW_")}
    # Hide warnings of MLflow about its own libraries.
    command = [sys.executable, "-P", "-W", "ignore", "-m", _MODULE]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [*command, str(listener.fileno()), str(outputs / "jobs")],
            env=ours | theirs,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(listener.fileno(),),
            start_new_session=True,
        )
