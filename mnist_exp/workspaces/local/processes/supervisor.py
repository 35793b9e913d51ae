"""Supervisor of one job: runs the job's command, and kills all processes that the command started.

`job_process.py` starts this file as a script. It imports only the standard library and
`mnist_exp.orphans`, so that it starts in milliseconds.

The command ends in one of four ways:

- By itself. EXIT_FILE then gets its exit code, so that a later command does not run it again.
- The supervisor gets SIGTERM, SIGINT or SIGHUP. It sends SIGTERM to the command's process group,
  waits for the whole group until the grace period is over, and sends SIGKILL.
- The process that started the supervisor ends, even by SIGKILL. The supervisor's standard input is
  a pipe from this process, to which nobody writes. When the pipe closes, the supervisor acts as
  after SIGTERM.
- The supervisor itself is killed. The kernel then kills the command.

At the end the supervisor also kills the processes that have left the command's group, for example
for a session of their own: a node of Azure ML also ends with its job. It exits with the command's
exit code, or with 128 plus the number of the signal that ended the command.

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
    # Run as a file by `python -S`, which finds no installed packages but starts in half the time.
    sys.path.append(str(Path(__file__).parents[4]))

from mnist_exp.orphans import adopt_orphans, end_children, reap_children

EXIT_BY_SIGNAL = 128

#: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
PR_SET_PDEATHSIG = 1

#: Seconds between two checks whether a terminated process group has ended.
LOOK_S = 0.02


def main(arguments: list[str]) -> int:
    """Run the command until it ends, its starter ends, or a signal arrives.

    Returns:
        The command's exit code.
    """
    grace, exit_file = float(arguments[0]), arguments[1]
    adopt_orphans()
    # Signals arrive as bytes in this pipe, so that one select() waits for signals and for the end
    # of standard input.
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
        # Safe here: this process has one thread, so a fork copies no lock that is held.
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509
    )
    try:
        _wait(child, wakeup_read)
        if child.poll() is None:
            _terminate(child, grace)
        else:
            keep_exit_code(Path(exit_file), _exit_code(child))
    finally:
        # Kill the rest of the command's process group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        code = _exit_code(child)
        end_children()
    return code


def keep_exit_code(path: Path, code: int) -> None:
    """Write the exit code of a command that ended by itself: the whole file, or no file."""
    with contextlib.suppress(OSError):
        aside = path.with_suffix(".new")
        aside.write_text(str(code))
        aside.replace(path)


def _exit_code(child: subprocess.Popen[bytes]) -> int:
    code = child.wait()
    return EXIT_BY_SIGNAL - code if code < 0 else code


def _wait(child: subprocess.Popen[bytes], wakeup: int) -> None:
    """Return when the child has ended, the starter has ended, or a signal has arrived."""
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
    # A shell ends at once, but its children may still be saving their state.
    while group_runs(child.pid) and time.monotonic() < deadline:
        time.sleep(LOOK_S)


def group_runs(group: int) -> bool:
    """Return whether a process of this process group runs; a zombie does not."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = path.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
