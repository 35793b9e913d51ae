"""A server process: started on a leash, until it is ready."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mnist_exp.serving.leash import READY
from mnist_exp.serving.settings import CODE_FOLDER
from mnist_exp.workspaces.local.endpoints.processes import SERVER_MODULE, ProcessId, process_id

__all__ = ["StartError", "starting_server"]


class StartError(Exception):
    """The server ended, or did not get ready in time; the text says which."""


@contextmanager
def starting_server(
    revision: Path, listener: socket.socket, environment: Mapping[str, str], timeout_s: float
) -> Iterator[ProcessId]:
    """Start a server and yield it when it accepts requests.

    It ends by itself unless, when the block is left, the deployment's record names it; also when
    this process is killed, whenever that happens.

    Args:
        revision: Its folder; output is appended to `console.log` there.
        listener: The port; a copy goes to the server, ours is closed at the end of the block.
        environment: All of its environment.
        timeout_s: Seconds until it must be ready.

    Raises:
        StartError: It did not get ready.
    """
    # Each message arrives as it was sent, and the kernel closes our end when we die.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, listener:
        with theirs:
            _spawn(revision, (listener.fileno(), theirs.fileno()), environment)
        yield _ready_server(ours, timeout_s)


def _spawn(revision: Path, descriptors: tuple[int, int], environment: Mapping[str, str]) -> None:
    # -P: a file of the user's code must not stand in for a library of the server.
    command = [sys.executable, "-P", "-m", SERVER_MODULE, str(revision), *map(str, descriptors)]
    with (revision / "console.log").open("ab") as log:
        # The command forks and returns at once: the server is no child of ours.
        started = subprocess.run(
            command,
            cwd=revision / CODE_FOLDER,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
            start_new_session=True,
            check=False,
        )
    if started.returncode:
        raise StartError(f"the server ended with exit code {started.returncode}")


def _ready_server(leash: socket.socket, timeout_s: float) -> ProcessId:
    deadline = time.monotonic() + timeout_s
    process = None
    try:
        while (message := _receive(leash, deadline)) != READY:
            process = process_id(int(message))
    except TimeoutError as error:
        raise StartError(f"init() must be through within {timeout_s:g} s, and is not") from error
    if process is None or not process.is_alive:
        raise StartError("the server ended as soon as it was ready")
    return process


def _receive(leash: socket.socket, deadline: float) -> bytes:
    # Zero would mean not to wait at all, and a message may be there already.
    leash.settimeout(max(0.001, deadline - time.monotonic()))
    try:
        message = leash.recv(64)
    except ConnectionError:
        message = b""
    if not message:
        raise StartError("the scoring script failed on import or in init()")
    return message
