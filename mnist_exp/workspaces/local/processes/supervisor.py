"""Supervisor of one job: runs the job's command, and kills all processes that the command started.

`job_process.py` starts this file as a script. This file imports only the standard library and
`mnist_exp.orphans`, so that the supervisor starts in milliseconds.

    python supervisor.py GRACE_SECONDS EXIT_FILE PROGRAM [ARGUMENT ...]

The command can end for four reasons:

- The command ends by itself, or another process ends the command with a signal. The supervisor then
  writes the exit code to EXIT_FILE. With this file, a resumed sweep does not run an ended trial
  again.
- The supervisor receives SIGTERM, SIGINT or SIGHUP. The supervisor then sends SIGTERM to the
  command's process group. When all processes of the group have ended, or when the grace period is
  over, the supervisor sends SIGKILL.
- The process that started the supervisor ends, for any reason. The supervisor's standard input is a
  pipe from this process. The pipe carries no data, and closes when the process ends. The supervisor
  then does the same as after SIGTERM.
- The supervisor itself is killed. The kernel then kills the command.

Finally, the supervisor kills the processes that have left the command's process group. On Azure ML,
such processes also end with the job. The supervisor exits with the command's exit code. If a signal
ended the command, the exit code is 128 plus the number of the signal.
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
    # This file runs as a script with `python -S`. The option -S halves the start time. With this
    # option, Python does not find installed packages, so add the folder of `mnist_exp` here.
    sys.path.append(str(Path(__file__).parents[4]))

from mnist_exp.orphans import adopt_orphans, end_children, reap_children

#: If a signal ends a process, the exit code is this number plus the number of the signal.
EXIT_BY_SIGNAL = 128

#: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
PR_SET_PDEATHSIG = 1

#: The supervisor checks at this interval, in seconds, whether a terminated group has ended.
LOOK_S = 0.02


def main(arguments: list[str]) -> int:
    """Run the command, and terminate the command if the starter ends or a signal arrives.

    The starter is the process that started this supervisor.

    Args:
        arguments: The arguments of the script, as in this file's docstring.

    Returns:
        The command's exit code.
    """
    grace, exit_file = float(arguments[0]), arguments[1]
    adopt_orphans()
    # Python writes a byte into this pipe for each signal. One select() can therefore wait both for
    # signals and for the end of standard input.
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
        # preexec_fn is safe here, because this process has only one thread. With more threads, the
        # child could inherit a locked lock.
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509
    )
    try:
        _wait(child, wakeup_read)
        if child.poll() is None:
            _terminate(child, grace)
        else:
            keep_exit_code(Path(exit_file), _exit_code(child))
    finally:
        # Kill the remaining processes of the command's process group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        code = _exit_code(child)
        end_children()
    return code


def keep_exit_code(path: Path, code: int) -> None:
    """Write the exit code of a command that this process did not terminate.

    If this process is killed while it writes, the file `path` does not exist.
    """
    with contextlib.suppress(OSError):
        aside = path.with_suffix(".new")
        aside.write_text(str(code))
        aside.replace(path)


def _exit_code(child: subprocess.Popen[bytes]) -> int:
    code = child.wait()
    return EXIT_BY_SIGNAL - code if code < 0 else code


def _wait(child: subprocess.Popen[bytes], wakeup: int) -> None:
    """Wait until the child has ended, the starter has ended, or a signal has arrived."""
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
    # A shell ends immediately, but child processes of the shell may still be saving their state.
    while group_runs(child.pid) and time.monotonic() < deadline:
        time.sleep(LOOK_S)


def group_runs(group: int) -> bool:
    """Return whether a process of this process group runs. Zombies do not count."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = path.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
