"""The client of the fork server: starts the server, and runs scripts in forks of the server."""

import contextlib
import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGKILL

from mnist_exp.workspaces.local.processes.forking import server
from mnist_exp.workspaces.local.processes.job_orphans import MARKER, end_orphans
from mnist_exp.workspaces.local.processes.job_process import EXIT_CODE_NAME, GRACE_S
from mnist_exp.workspaces.local.processes.supervisor import EXIT_BY_SIGNAL

#: Maximum seconds to wait until the server has imported the libraries.
_READY_S = 120.0


class ForkServer:
    """A running fork server.

    Args:
        modules: The modules that the server imports, in the notation of `preload.py`.
        folder: The server's working directory. Its path identifies the server's processes, so two
            servers must not use the same folder.
        environment: All environment variables of the server.
        log: The file to which the server's standard output and error are appended.
        grace_s: Seconds between SIGTERM and SIGKILL of a script.
        start: The first words of the command line: the words that run the module `server`.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - every argument is a part of the process's start
        self,
        modules: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        grace_s: float = GRACE_S,
        start: Sequence[str] = (sys.executable, "-P", "-m", server.__name__),
    ) -> None:
        self._folder = folder
        self._codes: dict[int, int | None] = {}
        self._works: dict[int, Path] = {}
        self._lost: set[int] = set()
        self._received = b""
        self._is_ready = False
        self.has_ended = False
        self._connection, theirs = socket.socketpair()
        log.parent.mkdir(parents=True, exist_ok=True)
        arguments = [str(theirs.fileno()), str(grace_s), *modules]
        with theirs, log.open("ab") as output:
            self._process = subprocess.Popen(
                [*start, *arguments],
                cwd=folder,
                env={**environment, MARKER: str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    def fileno(self) -> int:
        """Return a file descriptor that becomes readable when a script ends."""
        return self._connection.fileno()

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def wait_until_ready(self) -> bool:
        """Wait until the imports have finished. Return whether the server can run scripts."""
        deadline = time.monotonic() + _READY_S
        self._receive(0)
        while not (self._is_ready or self.has_ended) and time.monotonic() < deadline:
            self._receive(deadline - time.monotonic())
        return self._is_ready and not self.has_ended

    @property
    def is_loading(self) -> bool:
        """Whether the server is still importing modules."""
        self._receive(0)
        return not (self._is_ready or self.has_ended)

    @property
    def lost_reason(self) -> str:
        """The description of how the server ended; empty while the server runs."""
        if not self.has_ended:
            return ""
        code = self._process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"the process that jobs are forked from {how}"

    def has_lost(self, number: int) -> bool:
        """Return whether a script ended because the server ended."""
        return number in self._lost

    def start(
        self, argv: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path
    ) -> int:
        """Start a script, and return the number that identifies the script."""
        number = len(self._codes)
        self._codes[number], self._works[number] = None, folder
        log.parent.mkdir(parents=True, exist_ok=True)
        call = server.ScriptCall(
            number,
            list(argv),
            str(folder),
            dict(environment),
            str(log),
            str(folder.parent / EXIT_CODE_NAME),
        )
        self._send(vars(call))
        return number

    def terminate(self, number: int) -> None:
        """Send SIGTERM to a script, and SIGKILL after the grace period; return without waiting."""
        if self._codes[number] is None:
            self._send({"end": number})

    def code(self, number: int, timeout_s: float = 0.0) -> int | None:
        """Return a script's exit code; None if the script still runs after `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        self._receive(0)
        while self._codes[number] is None and (left := deadline - time.monotonic()) > 0:
            self._receive(left)
        return self._codes[number]

    def close(self) -> None:
        """Terminate the server and its scripts, and wait until the server has ended."""
        self._connection.close()
        if not self._is_ready:
            # While the server imports modules, the server does not notice that the socket has
            # closed. Kill the server. This is safe, because the server runs no script yet.
            self._process.kill()
        self._process.wait()

    def _send(self, message: Mapping[str, object]) -> None:
        if self.has_ended:
            return
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._lose()

    def _receive(self, timeout_s: float) -> None:
        """Process received messages. Wait up to `timeout_s` seconds for the first message."""
        if self.has_ended:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, selectors.EVENT_READ)
            if not selector.select(timeout_s):
                return
        block = b""
        with contextlib.suppress(OSError):
            block = self._connection.recv(65536)
        if not block:
            self._lose()
            return
        *lines, self._received = (self._received + block).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "ended" in message:
                self._codes[message["ended"]] = message["code"]
            else:
                self._is_ready = True

    def _lose(self) -> None:
        """Record that the server and its scripts have ended, and kill the orphan processes."""
        self.has_ended = True
        self._process.wait()
        self._lost = {number for number, code in self._codes.items() if code is None}
        paths = {str(self._folder), *(str(self._works[number]) for number in self._lost)}
        end_orphans(paths.__contains__, grace_s=0)
        self._codes |= dict.fromkeys(self._lost, EXIT_BY_SIGNAL + SIGKILL)


class ForkedScript:
    """A script that a fork server runs, with the interface of `workers.Processes`.

    Args:
        server: The server that runs the script.
        argv: The script and its arguments.
        folder: The working directory.
        environment: All environment variables of the script.
        log: The file to which standard output and error are appended.
    """

    def __init__(
        self,
        server: ForkServer,
        argv: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        self.failed_log = log
        self._server = server
        self._number = server.start(argv, folder, environment, log)

    @property
    def lost_reason(self) -> str:
        """Why the script ended, if it ended because the server ended; otherwise empty."""
        return self._server.lost_reason if self._server.has_lost(self._number) else ""

    @property
    def handles(self) -> Sequence[int]:
        """The server's file descriptor, which becomes readable when any script ends."""
        return () if self._server.has_ended else [self._server.fileno()]

    def poll(self) -> int | None:
        """Return the exit code; None while the script runs."""
        return self._server.code(self._number)

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit code when the script has ended, or None after `timeout_s` seconds."""
        return self._server.code(self._number, timeout_s)

    def terminate(self) -> None:
        """Send SIGTERM, and SIGKILL after the grace period; return without waiting."""
        self._server.terminate(self._number)

    def close(self) -> None:
        """Terminate the script if it still runs, and wait until the script has ended."""
        self.terminate()
        while self.poll() is None:
            self.wait(GRACE_S)
