"""The front of an endpoint as a command sees it: started when it is not there, told and asked."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from mnist_exp.errors import EndpointError
from mnist_exp.serving.control import connected_socket
from mnist_exp.serving.files import last_lines
from mnist_exp.workspaces.local.endpoints.process_identity import SERVER_MODULE, end_left_below
from mnist_exp.workspaces.local.endpoints.sockets import listen
from mnist_exp.workspaces.local.endpoints.state_files import EndpointFolder
from mnist_exp.workspaces.local.jobs.environment import INHERITED

#: Seconds until a front that starts everything that is deployed must answer: more than the
#: longest that Azure's probes wait for a container.
_START_S = 900.0
#: Seconds until the front has done what a command wants.
_ANSWER_S = 900.0
#: Seconds in which a front that was killed is gone, and another takes its place.
_LOST_S = 10.0


class _FrontLostError(EndpointError):
    """The front ended while it was asked."""


class FrontLine:
    """A connection to the front; what is prepared over it is given up when it closes."""

    def __init__(self, connection: socket.socket, stream: BinaryIO) -> None:
        self._connection = connection
        self._stream = stream

    def prepare(self, deployment: str, revision: int) -> str:
        """Have a revision started beside the running one; return why it is not ready, or ''."""
        answer = self._ask(verb="prepare", deployment=deployment, revision=revision)
        return "" if answer["ready"] else str(answer["why"])

    def apply(self) -> None:
        """Have the files read again; return when what they say is so."""
        self._ask(verb="apply")

    def report(self) -> Mapping[str, Any]:
        """Return workers and statistics by deployment."""
        return self._ask(verb="report")

    def _ask(self, **wish: object) -> Mapping[str, Any]:
        try:
            self._connection.sendall(json.dumps(wish).encode() + b"\n")
            line = self._stream.readline()
        except OSError as error:
            raise _FrontLostError(
                f"endpoint: its front process did not answer ({error})"
            ) from error
        if not line:
            raise _FrontLostError("endpoint: its front process has ended; run the command again")
        answer: Mapping[str, Any] = json.loads(line)
        return answer


@contextmanager
def front_line(folder: EndpointFolder) -> Iterator[FrontLine]:
    """Yield a connection to the endpoint's front, which is started if it does not run.

    Raises:
        EndpointError: It cannot be started.
        ConflictError: Something else has taken its port.
    """
    ensure_front(folder)
    try:
        connected = connected_socket(folder.path)
    except OSError as error:
        raise _FrontLostError(f"endpoint: its front process cannot be reached ({error})") from error
    with connected as connection:
        connection.settimeout(_ANSWER_S)
        with connection.makefile("rb") as stream:
            yield FrontLine(connection, stream)


def apply_files(folder: EndpointFolder) -> None:
    """Have the front read the files again; one that is just ending is waited for and replaced.

    Raises:
        EndpointError: It cannot be started, or ends again and again.
        ConflictError: Something else has taken its port.
    """
    deadline = time.monotonic() + _LOST_S
    while True:
        try:
            with front_line(folder) as front:
                front.apply()
        except _FrontLostError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def ensure_front(folder: EndpointFolder) -> bool:
    """Start the front with all that is deployed, unless it runs; return whether it had to be.

    Raises:
        EndpointError: It cannot be started.
        ConflictError: Something else has taken its port.
    """
    if folder.front() is not None:
        return False
    with folder.starting():
        # Another command may have started it while this one waited.
        if folder.front() is not None:
            return False
        # Of a front that was killed; a script that lets nothing else run does not notice that.
        end_left_below(folder.path)
        record = folder.load()
        with listen(record.port if record else None) as listener:
            if record and not record.port:
                folder.save(replace(record, port=listener.getsockname()[1]))
            _start(folder, listener)
        return True


def _start(folder: EndpointFolder, listener: socket.socket) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            _spawn(folder.path, (listener.fileno(), theirs.fileno()))
        ours.settimeout(_START_S)
        try:
            is_ready = bool(ours.recv(1))
        except OSError:
            is_ready = False
    if not is_ready:
        tail = last_lines(folder.front_log, 1)
        said = f": {tail[0].strip()}" if tail else ""
        raise EndpointError(
            f"endpoint {folder.path.name}: its front process did not start{said}; "
            f"log: {folder.front_log}"
        )


def _spawn(folder: Path, descriptors: tuple[int, int]) -> None:
    # -P: a file in the current folder must not stand in for a library of the server.
    command = [sys.executable, "-P", "-m", SERVER_MODULE, str(folder), *map(str, descriptors)]
    with EndpointFolder(folder).front_log.open("ab") as log:
        # The command forks and returns at once: the front is no child of ours.
        subprocess.run(
            command,
            cwd="/",
            env={name: os.environ[name] for name in INHERITED if name in os.environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
            start_new_session=True,
            check=False,
        )
