"""The fork server: imports libraries once, and then forks once for each trial.

`client.py` starts this file as a script and connects to the server with a socket. The server kills
the processes of a trial in three cases:

- The trial's script has ended. The server then sends SIGKILL to the trial's remaining processes.
- The client asks the server to terminate the trial. The server sends SIGTERM to the trial's process
  group, waits for the grace period, and sends SIGKILL.
- The socket closes, because the client's process has ended. The server then terminates all trials.

In all cases, the server also kills processes that have left the trial's process group (see
`mnist_exp/orphans.py`). If the server itself is killed, the kernel kills the trials.

    python -P -m mnist_exp.workspaces.local.processes.forking.server SOCKET GRACE [MODULE ...]

The docstring of `preload.py` explains the notation of MODULE.

Each message is one line of JSON:

- The client sends `{"start": number, ...}` with the fields of `ScriptCall`, or `{"end": number}`.
- The server sends `{"ready": true}` or `{"ended": number, "code": code}`.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mnist_exp.orphans import adopt_orphans, end_children, reap_children
from mnist_exp.workspaces.local.processes.forking import script
from mnist_exp.workspaces.local.processes.forking.preload import preload
from mnist_exp.workspaces.local.processes.job_orphans import belongs_to_job
from mnist_exp.workspaces.local.processes.supervisor import (
    EXIT_BY_SIGNAL,
    LOOK_S,
    PR_SET_PDEATHSIG,
    group_runs,
    keep_exit_code,
)

#: Signals for which Python writes a byte into the wake-up pipe.
SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class ScriptCall:
    """A request to run a script in a fork.

    Attributes:
        start: The number that identifies the script.
        argv: The script, relative to `folder`, and its arguments.
        folder: The working directory.
        environment: All environment variables of the script.
        log: The file to which standard output and error are appended.
        exit_file: The file for the exit code. The server writes this file only if the script was
            not terminated.
    """

    start: int
    argv: list[str]
    folder: str
    environment: dict[str, str]
    log: str
    exit_file: str


@dataclass
class _Fork:
    """A trial with at least one process that may still run.

    Attributes:
        pid: The process id of the fork. The fork is the leader of the trial's process group.
        folder: The working directory.
        exit_file: The file for the exit code.
        code: The exit code; None while the fork runs.
        deadline: The time at which the server kills the process group; None if nobody has asked
            the server to terminate the trial.
    """

    pid: int
    folder: str
    exit_file: Path
    code: int | None = None
    deadline: float | None = None


class Server:
    """The server: forks trials, reaps ended trials and kills the remaining processes of trials.

    Args:
        connection: The socket to the client.
        grace_s: Seconds between SIGTERM and SIGKILL.
    """

    def __init__(self, connection: socket.socket, grace_s: float) -> None:
        self._connection = connection
        self._grace_s = grace_s
        self._forks: dict[int, _Fork] = {}
        self._received = b""
        self._is_open = True
        self._libc = ctypes.CDLL(None)
        adopt_orphans()
        self._wakeup, self._wakeup_write = os.pipe()
        for handle in (self._wakeup, self._wakeup_write):
            os.set_blocking(handle, False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup_write)

    def send(self, message: dict[str, object]) -> None:
        """Send a message to the client; do nothing if the client has ended."""
        with contextlib.suppress(OSError):
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    @contextlib.contextmanager
    def dying_with_its_client(self) -> Iterator[None]:
        """Let the kernel kill this process when the client's process ends.

        Use this context during the imports, because the server does not watch the socket then.
        """
        self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if self._has_hung_up():
            os._exit(EXIT_BY_SIGNAL + signal.SIGKILL)
        yield
        # From now on, trials may run. If the client ends, the server must end the trials with their
        # grace period, so the kernel must not kill the server.
        self._libc.prctl(PR_SET_PDEATHSIG, 0)

    def _has_hung_up(self) -> bool:
        """Return whether the client has closed the socket."""
        try:
            return not self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False

    def serve(self) -> ScriptCall | None:
        """Serve until the socket closes and all trials have ended.

        Returns:
            In the server: None. In a fork: the request with the script that the fork must run.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._wakeup, selectors.EVENT_READ)
            selector.register(self._connection, selectors.EVENT_READ)
            while self._is_open or self._forks:
                is_ending = any(fork.deadline for fork in self._forks.values())
                for key, _ in selector.select(LOOK_S if is_ending else None):
                    if key.fd == self._wakeup:
                        self._read_signals()
                    elif (call := self._read_messages()) is not None:
                        return call
                if not self._is_open and self._connection.fileno() in selector.get_map():
                    selector.unregister(self._connection)
                self._look_after_forks()
        return None

    def _read_signals(self) -> None:
        if set(os.read(self._wakeup, 256)) - {signal.SIGCHLD}:
            self._shut_down()
        reap_children(but={fork.pid for fork in self._forks.values()})

    def _read_messages(self) -> ScriptCall | None:
        try:
            block = self._connection.recv(65536)
        except OSError:
            block = b""
        if not block:
            self._shut_down()
            return None
        *lines, self._received = (self._received + block).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "end" in message:
                self._terminate(message["end"])
            elif self._fork(call := ScriptCall(**message)):
                return call
        return None

    def _shut_down(self) -> None:
        self._is_open = False
        for number in self._forks:
            self._terminate(number)

    def _terminate(self, number: int) -> None:
        fork = self._forks.get(number)
        if fork is not None and fork.deadline is None:
            fork.deadline = time.monotonic() + self._grace_s
            _send(fork, signal.SIGTERM)

    def _fork(self, call: ScriptCall) -> bool:
        """Fork, and return whether this process is the fork."""
        # Block signals until the fork has replaced the server's signal handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        server = os.getpid()
        with warnings.catch_warnings():
            # Python warns about a fork of a process with threads. The libraries have started
            # threads, but these threads are idle and hold no lock. A fork is therefore safe.
            warnings.simplefilter("ignore")
            pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self._forks[call.start] = _Fork(pid, call.folder, Path(call.exit_file))
            return False
        self._become_a_trial(server)
        return True

    def _become_a_trial(self, server: int) -> None:
        os.setsid()
        self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:
            os._exit(EXIT_BY_SIGNAL + signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for handle in (self._wakeup, self._wakeup_write):
            os.close(handle)
        self._connection.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _look_after_forks(self) -> None:
        """Reap forks that have ended, and kill process groups whose deadline has passed."""
        for number, fork in list(self._forks.items()):
            if fork.code is None:
                pid, status = os.waitpid(fork.pid, os.WNOHANG)
                if pid:
                    code = os.waitstatus_to_exitcode(status)
                    fork.code = EXIT_BY_SIGNAL - code if code < 0 else code
            is_late = fork.deadline is not None and time.monotonic() >= fork.deadline
            if is_late or (fork.code is not None and fork.deadline is None):
                _send(fork, signal.SIGKILL)
            if fork.code is not None and (fork.deadline is None or not group_runs(fork.pid)):
                self._ended(number, fork, fork.code)

    def _ended(self, number: int, fork: _Fork, code: int) -> None:
        if fork.deadline is None:
            keep_exit_code(fork.exit_file, code)
        del self._forks[number]
        # The orphan processes of all trials are children of this server. Kill the children that
        # have this trial's folder in their environment. If no other trial runs, kill all children.
        end_children(lambda pid: bool(self._forks) and not belongs_to_job(pid, Path(fork.folder)))
        self.send({"ended": number, "code": code})


def _send(fork: _Fork, number: signal.Signals) -> None:
    try:
        os.killpg(fork.pid, number)
    except ProcessLookupError:
        # The process group does not exist, for one of two reasons. The fork is new and has not
        # created the group yet, or the fork was reaped and all processes of the group have ended.
        if fork.code is None:
            os.kill(fork.pid, number)


def main(arguments: list[str]) -> ScriptCall | None:
    """Run the server.

    Returns:
        In the server, None when the server ends. In a fork, the request with the script to run.
    """
    server = Server(socket.socket(fileno=int(arguments[0])), float(arguments[1]))
    before = dict(os.environ)
    with server.dying_with_its_client():
        preload(arguments[2:])
    # Imported libraries set environment variables for their own use. Each fork needs these
    # variables in addition to the environment that the client sends.
    additional = {name: text for name, text in os.environ.items() if before.get(name) != text}
    server.send({"ready": True})
    call = server.serve()
    return call and replace(call, environment=additional | call.environment)


if __name__ == "__main__" and (call := main(sys.argv[1:])) is not None:
    script.run(call.argv, call.folder, call.environment, call.log)
