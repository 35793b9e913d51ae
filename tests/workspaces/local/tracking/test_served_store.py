"""The server of the store is started again if it is lost, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from mnist_exp.workspaces.local.tracking.served_store import kept_running
from tests.support.waiting import eventually


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """The socket on which a server would listen."""
    with socket.create_server(("127.0.0.1", 0)) as created:
        yield created


def started(*command: str) -> "subprocess.Popen[bytes]":
    """Start a command as the server."""
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def is_refused(address: tuple[str, int]) -> bool:
    """Return whether nobody listens."""
    try:
        socket.create_connection(address).close()
    except ConnectionRefusedError:
        return True
    return False


def test_the_end_waits_for_a_server_that_is_being_replaced(listener: socket.socket) -> None:
    processes: list[subprocess.Popen[bytes]] = []
    is_replacing, has_ended_lost = threading.Event(), threading.Event()

    class Server(subprocess.Popen[bytes]):
        def terminate(self) -> None:
            super().terminate()
            has_ended_lost.set()

    def start() -> "subprocess.Popen[bytes]":
        if processes:
            is_replacing.set()
            # The block ends now. If its end does not wait for the replacement, it reaches the lost
            # process, and never the new process.
            has_ended_lost.wait(0.3)
        processes.append(Server(("sleep", "600"), stdin=subprocess.PIPE))
        return processes[-1]

    def run() -> None:
        with kept_running(start, listener):
            os.kill(processes[0].pid, signal.SIGKILL)
            is_replacing.wait(30)

    block = threading.Thread(target=run, daemon=True)
    block.start()
    block.join(60)
    is_alive = [process.poll() is None for process in processes]
    for process in processes:
        process.kill()
    assert is_alive == [False, False]
    assert not block.is_alive()


@pytest.mark.parametrize("is_startable", [True, False])
def test_requests_to_a_server_with_a_fault_are_refused(
    listener: socket.socket, is_startable: bool
) -> None:
    address = listener.getsockname()
    commands = iter([(sys.executable, "-S", "-c", "import sys; sys.exit(3)")])
    if not is_startable:
        commands = iter([("sh", "-c", "kill -9 $$"), ("/no/such/program",)])
    with kept_running(lambda: started(*next(commands)), listener):
        eventually(lambda: is_refused(address))
