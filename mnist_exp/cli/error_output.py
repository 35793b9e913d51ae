"""One-line errors, and the exit codes of commands."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mnist_exp.cli.hydra_errors import explain, is_foreign
from mnist_exp.errors import JobError, MnistExpError
from mnist_exp.report.format import printable
from mnist_exp.workspaces.base import BY_THE_USER, Detached

#: Environment variable. If the variable is set, errors are printed with a traceback. `main` sets
#: the variable if the user has set HYDRA_FULL_ERROR.
FULL_ERROR = "MNIST_EXP_FULL_ERROR"

#: The line after Ctrl-C in a command that may have run jobs.
CANCELED = "canceled: all jobs of this command have ended"
#: Exit code after Ctrl-C.
_INTERRUPTED = 130
#: Exit code if the reader of an output pipe has exited, as after SIGPIPE.
READER_HAS_EXITED = 141
#: Prefix of each line that reports an error.
ERROR = "error: "
#: Prefix of each quoted line of a failed job's log.
QUOTED = "  | "
#: Error numbers of the operating system that mean that a folder cannot be written.
_UNWRITABLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM, errno.EFBIG),
    *(errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP),
}
#: The errors of the operating system for a stream that cannot be written.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@dataclass
class Outcome:
    """The outcome of a command, or of a variant of a multirun."""

    exit_code: int = 0
    why: str = ""

    @property
    def interrupted(self) -> bool:
        """Whether the user pressed Ctrl-C."""
        return self.exit_code == _INTERRUPTED


@contextmanager
def report_errors(interrupted: str = CANCELED) -> Iterator[Outcome]:
    """Print an error that the `with` block raises, and save the exit code in the outcome.

    Each fault is printed as one line. If the user has set HYDRA_FULL_ERROR, the error is raised
    again, and Python prints the traceback.

    Args:
        interrupted: The line to print after Ctrl-C.
    """
    outcome = Outcome()
    try:
        yield outcome
    except Detached as detached:
        outcome.exit_code, outcome.why = _INTERRUPTED, "detached by the user"
        print(f"detached: {detached} continues to run", file=sys.stderr)
    except KeyboardInterrupt:
        outcome.exit_code, outcome.why = _INTERRUPTED, BY_THE_USER
        print(interrupted, file=sys.stderr)
    except Exception as error:
        lines = None if os.environ.get(FULL_ERROR) else error_lines(error)
        if lines is None:
            raise
        outcome.exit_code, outcome.why = 1, lines[0]
        for line in lines:
            print(line if line.startswith(QUOTED) else f"{ERROR}{line}", file=sys.stderr)


def error_lines(error: BaseException) -> tuple[str, ...] | None:
    """Return the lines to print for an error; None if the error is a bug of this program."""
    if isinstance(error, JobError):
        return (*error.lines, *(f"{QUOTED}{printable(line)}" for line in error.log_tail))
    if isinstance(error, MnistExpError):
        return error.lines
    # Hydra itself prints some output, e.g. the help. If standard output is on a full disk, Hydra
    # therefore raises an error.
    if isinstance(error, OSError) and may_be_full(error) and discard_full_output():
        return (
            "standard output: must be writable, but the output cannot be written "
            f"({os.strerror(error.errno or 0)}); write the output to another file",
        )
    # After a BrokenPipeError, `main` ends the command without a message.
    if is_foreign(error) and not isinstance(error, BrokenPipeError):
        return (explain(error),)
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        return (unwritable(Path(error.filename2 or error.filename or "."), error),)
    return None


def may_be_full(error: BaseException) -> bool:
    """Return whether the cause of an error may be that standard output is full."""
    return isinstance(error, OSError) and error.errno in _FULL and error.filename is None


def discard_full_output() -> bool:
    """Return whether standard output cannot be written, for example because its disk is full.

    If the output cannot be written, the function redirects the stream to the null device. Otherwise
    Python's flush at exit would fail too. An earlier error may have emptied the buffer, and a flush
    of an empty buffer succeeds even on a full disk. The function therefore writes an empty line.
    """
    if sys.stdout is None:
        return False
    try:
        sys.stdout.flush()
        os.write(sys.stdout.fileno(), b"\n")
    except (BrokenPipeError, io.UnsupportedOperation):
        return False
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def unwritable(path: Path, error: OSError, key: str = "outputs_dir") -> str:
    """Return the message for a path that cannot be written.

    Args:
        path: The path.
        error: The error of the operating system.
        key: The config key that sets the folder of the path.
    """
    return (
        f"{key}: must be a folder that can be written, got {path} "
        f"({os.strerror(error.errno or 0)}); make space on the disk, or choose another folder with "
        f"{key}=DIR"
    )
