"""Our end of the fork server: starts it, has it run scripts, hears how they end."""

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

from mnist_exp.workspaces.local.forking import server
from mnist_exp.workspaces.local.processes.job_orphans import MARKER, end_leftovers
from mnist_exp.workspaces.local.processes.supervised import EXIT_CODE_NAME, GRACE_S
from mnist_exp.workspaces.local.processes.supervisor import EXIT_BY_SIGNAL

#: How long libraries may take to be imported.
_READY_S = 120.0


class ForkServer:
    """A running fork server.

    Args:
        modules: What it imports, in `server.py`'s words.
        folder: Its working directory; marks its processes, so no two may share one.
        environment: What it imports the modules with.
        log: Gets what it has to say.
    """

    def __init__(
        self,
        modules: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        grace_s: float = GRACE_S,
    ) -> None:
        self._folder = folder
        self._grace_s = grace_s
        self._codes: dict[int, int | None] = {}
        self._works: dict[int, Path] = {}
        self._lost: set[int] = set()
        self._received = b""
        self._is_ready = False
        self.is_gone = False
        self._connection, theirs = socket.socketpair()
        log.parent.mkdir(parents=True, exist_ok=True)
        arguments = [str(theirs.fileno()), str(grace_s), *modules]
        with theirs, log.open("ab") as output:
            self._process = subprocess.Popen(
                # -P: the folder of the server's own file is no place to import from.
                [sys.executable, "-P", server.__file__, *arguments],
                cwd=folder,
                env={**environment, MARKER: str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    def fileno(self) -> int:
        """Return what becomes readable when a script has ended."""
        return self._connection.fileno()

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def wait_until_ready(self) -> bool:
        """Wait until the modules are there; False when the server is not going to run anything."""
        deadline = time.monotonic() + _READY_S
        self._wait(0)
        while not (self._is_ready or self.is_gone) and time.monotonic() < deadline:
            self._wait(deadline - time.monotonic())
        return self._is_ready and not self.is_gone

    @property
    def is_loading(self) -> bool:
        """Whether it still imports."""
        self._wait(0)
        return not (self._is_ready or self.is_gone)

    @property
    def loss(self) -> str:
        """How the server was lost; empty as long as it runs."""
        if not self.is_gone:
            return ""
        code = self._process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"the process that trials are forked from {how}"

    def has_lost(self, number: int) -> bool:
        """Whether a script was lost together with the server."""
        return number in self._lost

    def start(
        self, argv: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path
    ) -> int:
        """Have a script run, and return its number."""
        number = len(self._codes)
        self._codes[number], self._works[number] = None, folder
        log.parent.mkdir(parents=True, exist_ok=True)
        call = server.Call(
            number,
            list(argv),
            str(folder),
            dict(environment),
            str(log),
            str(folder.parent / EXIT_CODE_NAME),
        )
        self._send(vars(call))
        return number

    def end(self, number: int) -> None:
        """Ask a script to end; it is killed when its grace period is over. Returns at once."""
        if self._codes[number] is None:
            self._send({"end": number})

    def code(self, number: int, timeout_s: float = 0.0) -> int | None:
        """Return the exit code of a script, None if it has none before the time is over."""
        deadline = time.monotonic() + timeout_s
        self._wait(0)
        while self._codes[number] is None and (left := deadline - time.monotonic()) > 0:
            self._wait(left)
        return self._codes[number]

    def close(self) -> None:
        """End the server and what it runs, and wait for that."""
        self._connection.close()
        if not self._is_ready:
            # Nobody has asked it for anything, and it hears nothing while it imports.
            self._process.kill()
        self._process.wait()

    def _send(self, message: Mapping[str, object]) -> None:
        if self.is_gone:
            return
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._lose()

    def _wait(self, timeout_s: float) -> None:
        """Take in what has arrived, after a while if nothing has."""
        if self.is_gone:
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
        """The server is gone, and with it what it ran; see that nothing of that is left."""
        self.is_gone = True
        self._process.wait()
        self._lost = {number for number, code in self._codes.items() if code is None}
        paths = {str(self._folder), *(str(self._works[number]) for number in self._lost)}
        end_leftovers(paths.__contains__, patience_s=0)
        self._codes |= dict.fromkeys(self._lost, EXIT_BY_SIGNAL + SIGKILL)


class ForkedScript:
    """A script that a fork server runs, in the terms of a job's processes.

    Args:
        server: Runs it.
        argv: The script and its arguments.
        folder: Its working directory.
        environment: All of its environment.
        log: Gets standard output and error, appended.
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
    def loss(self) -> str:
        """Why it ended, where that was not its own doing."""
        return self._server.loss if self._server.has_lost(self._number) else ""

    @property
    def handles(self) -> Sequence[int]:
        """What becomes readable when it has ended: the server's, which is watched anyway."""
        return ()

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self._server.code(self._number)

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit code as soon as it has ended, None when the time is over."""
        return self._server.code(self._number, timeout_s)

    def terminate(self) -> None:
        """Ask it to end; it is killed when its grace period is over. Returns at once."""
        self._server.end(self._number)

    def close(self) -> None:
        """End it if it still runs, and wait for that."""
        self.terminate()
        while self.poll() is None:
            self.wait(GRACE_S)
