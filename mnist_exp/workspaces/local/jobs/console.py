"""Read the console logs of a job: epochs, warnings, and the reason of a failure.

An attempt is one execution of the job's command. A job has several attempts if the job is evicted,
resumes or restarts. All attempts write to the same logs.
"""

import errno
import os
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mnist_exp.workspaces.local.processes.supervisor import EXIT_BY_SIGNAL

#: Maximum number of log lines that the result of a failed job contains.
_TAIL_LINES = 20
#: Number of last log lines that are searched for a warning.
_END_LINES = 10_000
#: The line that our trainer prints after an epoch, e.g. `epoch 3/20`.
_EPOCH = re.compile(r"^epoch +(\d+)/\d+", re.MULTILINE)
#: Maximum number of characters of a reason.
_LONGEST = 300
#: Characters of the frame that some libraries draw around an error, and spaces.
_FRAME = " \t│┃║|╭╮╰╯─━"
#: The line with the reason why Python crashed. Python prints further lines after this line.
_CRASH = re.compile(r"Fatal Python error: ")
#: A line with a warning of our trainer.
WARNING = re.compile(r"^warning: (.+)", re.MULTILINE)
#: The line that our trainer prints when it resumes from a checkpoint.
_RESUMING = re.compile(r"resuming from epoch (\d+)")
#: A line that the workspace adds to a log.
_NOTE = "==== {} ===="
#: The workspace's line before a new attempt. The pattern contains the first words of this line,
#: because a script may also print lines with `====`.
_ATTEMPT = re.compile(r"^==== (?:restarted|started again|evicted after)\b.* ====$\n?", re.MULTILINE)
#: The messages of the operating system and of SQLite for a full disk.
_FULL_DISK = (os.strerror(errno.ENOSPC), "database or disk is full")
#: Name of a signal -> a frequent reason for this signal.
_HINTS = {"SIGKILL": ", e.g. because the memory was full"}


@dataclass(frozen=True)
class Attempt:
    """The epochs of an attempt, as its script printed them.

    Attributes:
        resumed_from: The number of epochs that this attempt skips, because earlier attempts have
            completed them. None if the script printed neither this number nor an epoch.
        epoch: The last epoch that the script printed.
    """

    resumed_from: int | None = None
    epoch: int = 0

    @property
    def epochs(self) -> int:
        """The number of epochs that the attempt has completed."""
        return self.epoch - (self.resumed_from or 0)


class Console:
    """The console logs of a job.

    Args:
        logs: The paths of the logs, one log for each process of the job.
    """

    def __init__(self, logs: Sequence[Path]) -> None:
        self._logs = logs

    def note(self, text: str) -> None:
        """Add a line to each log. The line separates the last attempt from the next attempt."""
        for path in self._logs:
            with path.open("a", encoding="utf-8") as file:
                file.write(_NOTE.format(text) + "\n")

    def tail(self, log: Path, lines: int = _TAIL_LINES) -> list[str]:
        """Return the last lines of a log, but no lines of earlier attempts."""
        return self._last_attempt(log).splitlines()[-lines:]

    def attempt(self) -> "Attempt":
        """Return the epochs of the last attempt."""
        text = self._last_attempt(self._logs[0])
        resumed, printed = _RESUMING.search(text), _EPOCH.findall(text)
        if resumed:
            return Attempt(int(resumed[1]), int(printed[-1]) if printed else int(resumed[1]))
        return Attempt(int(printed[0]) - 1, int(printed[-1])) if printed else Attempt()

    def failure(self, code: int, log: Path, folder: Path, recorded: str = "") -> str:
        """Return the exit code of a process, and the reason why the process failed.

        Args:
            code: The exit code.
            log: The log of the process.
            folder: The folder that the message names if the disk was full.
            recorded: The reason that the process itself has recorded. If this text is empty, the
                last line of the log is the reason.
        """
        # Some libraries draw a frame around their last lines.
        lines = [line.strip(_FRAME) for line in self.tail(log)]
        tail = [line for line in lines if re.search(r"\w", line)]
        if any(text in " ".join([*tail, recorded]) for text in _FULL_DISK):
            return (
                f"exit code {code}; the disk of {folder} is full; make space there, or choose "
                "another outputs_dir"
            )
        last = next(filter(_CRASH.match, tail), max(tail[-1:], default=""))
        reason = recorded or last
        if len(reason) > _LONGEST:
            reason = f"{reason[:_LONGEST]}..."
        text = f"exit code {code}{_signal(code)}"
        return f"{text}: {reason}" if reason else text

    def last_warning(self) -> str:
        """Return the last warning of the script; empty if the script printed no warning.

        Earlier warnings are left out, because a script may repeat a warning many times.
        """
        end = "\n".join(self.tail(self._logs[0], _END_LINES))
        return str(max(WARNING.findall(end)[-1:], default=""))

    def _last_attempt(self, log: Path) -> str:
        try:
            text = log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return _ATTEMPT.split(text)[-1]


def _signal(code: int) -> str:
    """Return the signal's name in parentheses; empty if the exit code stands for no signal."""
    try:
        name = signal.Signals(code - EXIT_BY_SIGNAL).name
    except ValueError:
        return ""
    return f" ({name}{_HINTS.get(name, '')})"
