"""The client of an endpoint's HTTP server process, the front.

This module starts the front, and sends control requests to the front.
"""

import json
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
    ends_within,
    kill_processes_below,
)
from mnist_exp.workspaces.local.endpoints.state_files import EndpointFolder
from mnist_exp.workspaces.local.jobs.environment import inherited_variables

LOOPBACK = "127.0.0.1"

#: Maximum seconds until a new front has started all deployments. This limit is longer than the
#: longest time that Azure's probes wait for a container.
_START_S = 900.0
#: Maximum seconds until the front answers a control request.
_ANSWER_S = 900.0
#: Maximum seconds to repeat a request while a front is ending. A new front can start only after the
#: old front has ended.
_LOST_S = 10.0
#: Maximum seconds that a killed front needs to end after its connections were closed.
_ENDING_S = 1.0


class _FrontLostError(EndpointError):
    """The front ended before it answered a control request."""


class FrontClient:
    """A connection to the front.

    A revision is one version of a deployment, with its own workers. A revision that was prepared
    over this connection depends on the connection. If the connection closes before the deployment's
    saved state names the revision, the front ends the revision.
    """

    def __init__(self, connection: socket.socket, stream: BinaryIO) -> None:
        self._connection = connection
        self._stream = stream

    def prepare(self, deployment: str, revision: int) -> str:
        """Start a new revision beside the running revision, and wait until it is ready or fails.

        Returns:
            The reason why the new revision did not get ready; empty if it is ready.
        """
        answer = self._ask(verb="prepare", deployment=deployment, revision=revision)
        return "" if answer["ready"] else str(answer["why"])

    def apply(self) -> None:
        """Make the front read the endpoint's files again, and wait until it uses the new settings.

        The front also ends each previous revision that a new revision has replaced.
        """
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
                f"endpoint: the front process did not answer ({error}); run the command again"
            ) from error
        if not line:
            raise _FrontLostError("endpoint: the front process has ended; run the command again")
        answer: Mapping[str, Any] = json.loads(line)
        return answer


@contextmanager
def connect_front(folder: EndpointFolder) -> Iterator[FrontClient]:
    """Yield a connection to the endpoint's front. Start the front if the front does not run.

    Raises:
        EndpointError: The front cannot be started.
        RefusedError: Another program listens on the endpoint's port.
    """
    ensure_front(folder)
    try:
        connected = connected_socket(folder.path)
    except OSError as error:
        raise _FrontLostError(
            f"endpoint: the front process cannot be reached ({error}); run the command again"
        ) from error
    with connected as connection:
        connection.settimeout(_ANSWER_S)
        with connection.makefile("rb") as stream:
            yield FrontClient(connection, stream)


def apply_files(folder: EndpointFolder) -> None:
    """Make the front read the endpoint's files again. If the front is ending, start a new front.

    Raises:
        EndpointError: The front cannot be started, or repeatedly ends before it answers.
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
    """Start the front with all deployments if the front does not run.

    Returns:
        Whether this call has started the front.

    Raises:
        EndpointError: The front cannot be started.
        RefusedError: Another program listens on the endpoint's port.
    """
    if folder.front() is not None:
        return False
    with folder.starting():
        # Another command may have started the front while this command waited for the lock.
        if folder.front() is not None:
            return False
        # When a front is killed, its workers normally end too. But a worker whose scoring script
        # blocks may still run. Kill the remaining workers.
        kill_processes_below(folder.path)
        saved = folder.load()
        with listen(saved.port if saved else None) as listener:
            if saved and not saved.port:
                folder.save(replace(saved, port=listener.getsockname()[1]))
            _start(folder, listener)
        return True


def replace_front(folder: EndpointFolder) -> bool:
    """If the front has ended, restart the front. Call this after a request without an answer.

    Returns:
        Whether this call has started the front.

    Raises:
        EndpointError: The front cannot be started.
        RefusedError: Another program listens on the endpoint's port.
    """
    front = folder.front()
    # When a front is killed, the kernel closes its connections before the process has ended. The
    # front may therefore still be ending.
    if front is not None and not ends_within(front, _ENDING_S):
        return False
    return ensure_front(folder)


def listen(port: int | None) -> socket.socket:
    """Return a socket that listens on 127.0.0.1.

    Args:
        port: The port; None or 0 for any free port.

    Raises:
        RefusedError: The port cannot be used, usually because another program listens on it.
    """
    listener = socket.socket()
    # Without this option, closed connections of an earlier front would block the port for a minute.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port or 0))
        listener.listen(socket.SOMAXCONN)
    # bind() raises OverflowError if the number is too large for a port.
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise RefusedError(
            f"endpoint.port: must be a free port of {LOOPBACK}, got {port} ({reason}); "
            "choose another port, or null for any free port"
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
            f"endpoint {folder.path.name}: the front process did not start{last}; "
            f"see the log of the front: {folder.front_log}"
        )


def _spawn(folder: Path, descriptors: tuple[int, int]) -> None:
    # Without the option -P, the front could import a file in the current folder instead of a
    # library.
    command = [sys.executable, "-P", "-m", SERVER_MODULE, str(folder), *map(str, descriptors)]
    with EndpointFolder(folder).front_log.open("ab") as log:
        # This call waits only for the started program. The program forks the front and then ends.
        # The front is therefore not a child of this process.
        subprocess.run(
            command,
            cwd="/",
            env=inherited_variables(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
            start_new_session=True,
            check=False,
        )
