"""A command's side of an endpoint's front process: starts the front and sends it requests."""

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

from mnist_exp.errors import EndpointError, RefusedError
from mnist_exp.serving.control import connected_socket
from mnist_exp.serving.files import last_lines
from mnist_exp.workspaces.local.endpoints.server_processes import (
    SERVER_MODULE,
    kill_processes_below,
)
from mnist_exp.workspaces.local.endpoints.state_files import EndpointFolder
from mnist_exp.workspaces.local.jobs.environment import INHERITED

LOOPBACK = "127.0.0.1"

#: Seconds in which a new front must start all deployments. Azure's probes wait for a container for
#: a shorter time at most.
_START_S = 900.0
#: Seconds in which a front must answer a request.
_ANSWER_S = 900.0
#: Seconds in which a front that is ending must have ended, so that a new one can start.
_LOST_S = 10.0


class _FrontLostError(EndpointError):
    """The front ended before it answered."""


class FrontClient:
    """A connection to the front.

    When the connection closes, the front drops each revision that was prepared over it, unless the
    deployment's saved state names this revision.
    """

    def __init__(self, connection: socket.socket, stream: BinaryIO) -> None:
        self._connection = connection
        self._stream = stream

    def prepare(self, deployment: str, revision: int) -> str:
        """Start a revision beside the running one; return why it is not ready, '' if it is."""
        answer = self._ask(verb="prepare", deployment=deployment, revision=revision)
        return "" if answer["ready"] else str(answer["why"])

    def apply(self) -> None:
        """Have the front read the endpoint's files again, and wait until it acts by them."""
        self._ask(verb="apply")

    def report(self) -> Mapping[str, Any]:
        """Return the workers and statistics of each deployment."""
        return self._ask(verb="report")

    def _ask(self, **request: object) -> Mapping[str, Any]:
        try:
            self._connection.sendall(json.dumps(request).encode() + b"\n")
            line = self._stream.readline()
        except OSError as error:
            raise _FrontLostError(
                f"endpoint: its front process did not answer ({error}); run the command again"
            ) from error
        if not line:
            raise _FrontLostError("endpoint: its front process has ended; run the command again")
        answer: Mapping[str, Any] = json.loads(line)
        return answer


@contextmanager
def connect_front(folder: EndpointFolder) -> Iterator[FrontClient]:
    """Yield a connection to the endpoint's front, and start the front if it does not run.

    Raises:
        EndpointError: The front cannot be started.
        RefusedError: Another program listens on the endpoint's port.
    """
    ensure_front(folder)
    try:
        connected = connected_socket(folder.path)
    except OSError as error:
        raise _FrontLostError(
            f"endpoint: its front process cannot be reached ({error}); run the command again"
        ) from error
    with connected as connection:
        connection.settimeout(_ANSWER_S)
        with connection.makefile("rb") as stream:
            yield FrontClient(connection, stream)


def apply_files(folder: EndpointFolder) -> None:
    """Have the front read the endpoint's files again; replace a front that is just ending.

    Raises:
        EndpointError: The front cannot be started, or ends again and again.
        RefusedError: Another program listens on the endpoint's port.
    """
    deadline = time.monotonic() + _LOST_S
    while True:
        try:
            with connect_front(folder) as front:
                front.apply()
        except _FrontLostError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def ensure_front(folder: EndpointFolder) -> bool:
    """Start the front with all deployments unless it runs, and return whether it was started.

    Raises:
        EndpointError: The front cannot be started.
        RefusedError: Another program listens on the endpoint's port.
    """
    if folder.front() is not None:
        return False
    with folder.starting():
        # Another command may have started the front while this one waited.
        if folder.front() is not None:
            return False
        # The workers of a killed front end by themselves, unless a scoring script blocks them.
        kill_processes_below(folder.path)
        saved = folder.load()
        with listen(saved.port if saved else None) as listener:
            if saved and not saved.port:
                folder.save(replace(saved, port=listener.getsockname()[1]))
            _start(folder, listener)
        return True


def listen(port: int | None) -> socket.socket:
    """Return a socket that listens on 127.0.0.1, at `port` or at any free port.

    Raises:
        RefusedError: The port is taken.
    """
    listener = socket.socket()
    # Without this option, connections of an earlier front would block the port for a minute.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port or 0))
        listener.listen(socket.SOMAXCONN)
    # bind() raises OverflowError for numbers that are not a port.
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise RefusedError(
            f"endpoint.port: must be a free port of {LOOPBACK}, got {port} ({reason}); "
            "choose another, or null for any free port"
        ) from error
    return listener


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
        last = f": {tail[0].strip()}" if tail else ""
        raise EndpointError(
            f"endpoint {folder.path.name}: its front process did not start{last}; "
            f"see its log: {folder.front_log}"
        )


def _spawn(folder: Path, descriptors: tuple[int, int]) -> None:
    # -P: without it, a file in the current folder could replace a library of the front.
    command = [sys.executable, "-P", "-m", SERVER_MODULE, str(folder), *map(str, descriptors)]
    with EndpointFolder(folder).front_log.open("ab") as log:
        # The started program forks the front and ends, so the front is not a child of this process.
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
