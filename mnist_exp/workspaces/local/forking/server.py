"""A process that imports libraries once and then forks itself for each trial.

Started as a script by `client.py`. It ends each trial's whole process group, and what has left that
for a session of its own (see orphans.py), whatever happens: when a trial has ended, when it is
asked to (terminate, wait, kill), and when its socket closes because whoever started it is gone.
When it is killed itself, the system kills the trials.

    python -P server.py SOCKET GRACE_SECONDS [MODULE ...]

Lines of JSON go both ways. `{"start": id, ...}` (the fields of `Call`) and `{"end": id}` come in;
`{"ready": true}` and `{"ended": id, "code": code}` go out. A module `name~other` is imported as if
`other` were not installed, where that is what makes it slow; of `name:function` the function is
called as well. What it leaves behind is in every fork: no threads, and no open connections.
"""

import contextlib
import ctypes
import gc
import importlib
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

from mnist_exp.hidden_imports import absent
from mnist_exp.orphans import adopt_orphans, end_children, reap_children
from mnist_exp.workspaces.local.forking import script
from mnist_exp.workspaces.local.processes.job_orphans import carries
from mnist_exp.workspaces.local.processes.supervisor import (
    EXIT_BY_SIGNAL,
    LOOK_S,
    PR_SET_PDEATHSIG,
    is_alive,
    keep_exit_code,
)

#: What arrives as a byte in the wake-up pipe.
SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class Call:
    """A script to run.

    Attributes:
        argv: The script, relative to `folder`, and its arguments.
        environment: All of its environment.
        log: Gets standard output and error.
        exit_file: Gets the exit code if it ends by itself.
    """

    start: int
    argv: list[str]
    folder: str
    environment: dict[str, str]
    log: str
    exit_file: str


@dataclass
class Child:
    """A trial that runs, or whose group still has to go."""

    pid: int
    folder: str
    exit_file: Path
    code: int | None = None
    deadline: float | None = None


class Server:
    """Forks trials and looks after them.

    Args:
        connection: Whoever started this.
        grace_s: Seconds between SIGTERM and SIGKILL.
    """

    def __init__(self, connection: socket.socket, grace_s: float) -> None:
        self._connection = connection
        self._grace_s = grace_s
        self._children: dict[int, Child] = {}
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
        """Tell whoever started this; it may be gone."""
        with contextlib.suppress(OSError):
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    @contextlib.contextmanager
    def dying_with_its_starter(self) -> Iterator[None]:
        """Have the system kill this process with its starter: who imports hears no socket."""
        self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if self._has_hung_up():
            os._exit(EXIT_BY_SIGNAL + signal.SIGKILL)
        yield
        # From here on there may be trials, which are not to end without their grace.
        self._libc.prctl(PR_SET_PDEATHSIG, 0)

    def _has_hung_up(self) -> bool:
        """Whether the starter had gone before the system was asked to watch it."""
        try:
            return not self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False

    def serve(self) -> Call | None:
        """Serve until the socket closes and all trials are gone.

        Returns:
            None in the server; in a fork, what it is to run.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._wakeup, selectors.EVENT_READ)
            selector.register(self._connection, selectors.EVENT_READ)
            while self._is_open or self._children:
                is_ending = any(child.deadline for child in self._children.values())
                for key, _ in selector.select(LOOK_S if is_ending else None):
                    if key.fd == self._wakeup:
                        self._take_signals()
                    elif (call := self._take_messages()) is not None:
                        return call
                if not self._is_open and self._connection.fileno() in selector.get_map():
                    selector.unregister(self._connection)
                self._look()
        return None

    def _take_signals(self) -> None:
        if set(os.read(self._wakeup, 256)) - {signal.SIGCHLD}:
            self._leave()
        reap_children(but={child.pid for child in self._children.values()})

    def _take_messages(self) -> Call | None:
        try:
            block = self._connection.recv(65536)
        except OSError:
            block = b""
        if not block:
            self._leave()
            return None
        *lines, self._received = (self._received + block).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "end" in message:
                self._end(message["end"])
            elif self._fork(call := Call(**message)):
                return call
        return None

    def _leave(self) -> None:
        self._is_open = False
        for index in self._children:
            self._end(index)

    def _end(self, index: int) -> None:
        child = self._children.get(index)
        if child is not None and child.deadline is None:
            child.deadline = time.monotonic() + self._grace_s
            _kill(child, signal.SIGTERM)

    def _fork(self, call: Call) -> bool:
        """Fork, and return whether this is the fork."""
        # No signal may meet a fork that still has the handlers of the server.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        server = os.getpid()
        with warnings.catch_warnings():
            # Libraries have threads that wait for work; none has had any yet.
            warnings.simplefilter("ignore")
            pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self._children[call.start] = Child(pid, call.folder, Path(call.exit_file))
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

    def _look(self) -> None:
        """Reap what has ended, and kill what has had its time."""
        for index, child in list(self._children.items()):
            if child.code is None:
                pid, status = os.waitpid(child.pid, os.WNOHANG)
                if pid:
                    code = os.waitstatus_to_exitcode(status)
                    child.code = EXIT_BY_SIGNAL - code if code < 0 else code
            late = child.deadline is not None and time.monotonic() >= child.deadline
            if late or (child.code is not None and child.deadline is None):
                _kill(child, signal.SIGKILL)
            if child.code is not None and (child.deadline is None or not is_alive(child.pid)):
                self._ended(index, child, child.code)

    def _ended(self, index: int, child: Child, code: int) -> None:
        if child.deadline is None:
            keep_exit_code(child.exit_file, code)
        del self._children[index]
        # What it has left became ours, as what the others leave does: it is told by its
        # environment, or else by there being no others.
        end_children(lambda pid: bool(self._children) and not carries(pid, child.folder))
        self.send({"ended": index, "code": code})


def _kill(child: Child, number: signal.Signals) -> None:
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        # A fork that is a moment old has no group yet; one that was reaped may have none any more.
        if child.code is None:
            os.kill(child.pid, number)


@contextlib.contextmanager
def _unwarned() -> Iterator[None]:
    """Show no warnings, of what is hidden above all; the filters that libraries set are kept."""
    show = warnings.showwarning
    warnings.showwarning = lambda *_, **__: None
    try:
        yield
    finally:
        warnings.showwarning = show


def preload(modules: list[str]) -> None:
    """Import modules; one that cannot be imported is left to the script that wants it."""
    gc.disable()
    for entry in modules:
        name, *hidden = entry.split("~")
        try:
            with _unwarned(), absent(*hidden):
                module, _, function = name.partition(":")
                imported = importlib.import_module(module)
                if function:
                    getattr(imported, function)()
        except Exception as error:
            # Whatever a library may raise.
            print(f"{name} cannot be imported here: {error}", file=sys.stderr, flush=True)
    gc.enable()
    # What is there is shared with all forks as long as nobody writes to it.
    gc.freeze()


def main(arguments: list[str]) -> Call | None:
    """Serve; returns in each fork with what it is to run, and at the end with None."""
    server = Server(socket.socket(fileno=int(arguments[0])), float(arguments[1]))
    before = dict(os.environ)
    with server.dying_with_its_starter():
        preload(arguments[2:])
    # Libraries leave notes to themselves there, which a trial's own environment would lack.
    notes = {name: text for name, text in os.environ.items() if before.get(name) != text}
    server.send({"ready": True})
    call = server.serve()
    return call and replace(call, environment=notes | call.environment)


if __name__ == "__main__" and (call := main(sys.argv[1:])) is not None:
    script.run(call.argv, call.folder, call.environment, call.log)
