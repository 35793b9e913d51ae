"""Runs one job's command in a process group of its own and ends it all whatever happens.

Started as a script by `processes.py`, with the standard library alone so that it is there in
milliseconds. Its standard input is a pipe that nobody writes to: when the process that started
it goes away, even by SIGKILL, the pipe closes and the job ends. SIGTERM ends the job too:
terminate, wait for the whole group until the grace period is over, kill. What has left the group,
for a session of its own, is killed then too: a node of Azure ML goes with its job. Exits with the
job's exit code, or with 128 plus the number of the signal that ended it. When it is killed itself,
the system kills the command.

EXIT_FILE gets the exit code of a command that ended by itself: whoever started this may be gone
by then, and must not run again what has been done.

    python supervisor.py GRACE_SECONDS EXIT_FILE PROGRAM [ARGUMENT ...]
"""

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

if not __package__:
    # Run as a file, by a Python that was told of no packages: it starts in half the time.
    sys.path.append(str(Path(__file__).parents[4]))

from mnist_exp.orphans import adopt_orphans, end_children, reap_children

EXIT_BY_SIGNAL = 128

#: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
PR_SET_PDEATHSIG = 1

#: Seconds between two looks at what a terminated shell has left behind.
LOOK_S = 0.02


def main(arguments: list[str]) -> int:
    """Run the command until it ends, or the starter is gone, or SIGTERM asks to stop."""
    grace, exit_file = float(arguments[0]), arguments[1]
    adopt_orphans()
    # Signals arrive as bytes in this pipe, so that one select waits for all there is.
    wakeup_read, wakeup_write = os.pipe()
    os.set_blocking(wakeup_write, False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(wakeup_write)
    libc = ctypes.CDLL(None)
    child = subprocess.Popen(
        arguments[2:],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        # Nothing runs in this process that a fork could catch in the middle.
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509
    )
    try:
        _wait(child, wakeup_read)
        if child.poll() is None:
            _terminate(child, grace)
        else:
            keep_exit_code(Path(exit_file), _exit_code(child))
    finally:
        # What the command left running in its group goes with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        code = _exit_code(child)
        end_children()
    return code


def keep_exit_code(path: Path, code: int) -> None:
    """Write the exit code of a command that ended by itself, whole or not at all."""
    with contextlib.suppress(OSError):
        aside = path.with_suffix(".new")
        aside.write_text(str(code))
        aside.replace(path)


def _exit_code(child: subprocess.Popen[bytes]) -> int:
    code = child.wait()
    return EXIT_BY_SIGNAL - code if code < 0 else code


def _wait(child: subprocess.Popen[bytes], wakeup: int) -> None:
    """Return when the child has ended, the starter has gone or a signal asks to stop."""
    with selectors.DefaultSelector() as selector:
        selector.register(wakeup, selectors.EVENT_READ)
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        while child.poll() is None:
            for key, _ in selector.select():
                if key.fd != wakeup:
                    return
                if set(os.read(wakeup, 256)) - {signal.SIGCHLD}:
                    return
                reap_children(but={child.pid})


def _terminate(child: subprocess.Popen[bytes], grace: float) -> None:
    deadline = time.monotonic() + grace
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=grace)
    # A shell dies at once, and what it had started may still have something to save.
    while is_alive(child.pid) and time.monotonic() < deadline:
        time.sleep(LOOK_S)


def is_alive(group: int) -> bool:
    """Whether a process of the group still runs; one that nobody has reaped does not."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = path.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
