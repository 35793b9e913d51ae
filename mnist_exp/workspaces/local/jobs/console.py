"""The console logs of a job, and what can be read from the lines that its script prints."""

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: Lines of a failed job's log that a result has.
_TAIL_LINES = 20
#: Lines at the end of a log in which the last warning is looked for.
_END_LINES = 10_000
#: The line after an epoch, e.g. `epoch 3/20`.
_EPOCH = re.compile(r"^epoch +(\d+)/\d+", re.MULTILINE)
#: A line that says why a script failed: our trainer's, argparse's or Python's.
ERROR = re.compile(r"([\w.-]+\.py: )?error: |[\w.]*(Error|Exception): ")
#: A warning of our trainer.
WARNING = re.compile(r"^warning: (.+)", re.MULTILINE)
#: The line of a script that resumes from a checkpoint.
_RESUMING = re.compile(r"resuming from epoch (\d+)")
#: A line that the workspace adds to a log.
_NOTE = "==== {} ===="
#: The notes that begin a new attempt. A script may print lines of the same form.
_ATTEMPT = re.compile(r"^==== (?:restarted|started again|evicted after)\b.* ====$\n?", re.MULTILINE)
#: The messages of the operating system and of SQLite for a full disk.
_FULL_DISK = (os.strerror(errno.ENOSPC), "database or disk is full")


@dataclass(frozen=True)
class Attempt:
    """The epochs of an attempt, as its script printed them.

    Attributes:
        resumed_from: The epoch before the first one; None when no epoch was printed.
        epoch: The last epoch.
    """

    resumed_from: int | None = None
    epoch: int = 0

    @property
    def epochs(self) -> int:
        """How many epochs the attempt has done."""
        return self.epoch - (self.resumed_from or 0)


class Console:
    """The console logs of a job.

    Args:
        logs: One for each process of the job.
    """

    def __init__(self, logs: Sequence[Path]) -> None:
        self._logs = logs

    def note(self, text: str) -> None:
        """Add a line of the workspace to each log, before the next attempt writes there."""
        for path in self._logs:
            with path.open("a", encoding="utf-8") as file:
                file.write(_NOTE.format(text) + "\n")

    def tail(self, log: Path, lines: int = _TAIL_LINES) -> list[str]:
        """Return the last lines of the last attempt in one of the logs."""
        return self._last_attempt(log).splitlines()[-lines:]

    def attempt(self) -> "Attempt":
        """Return the epochs of the last attempt."""
        text = self._last_attempt(self._logs[0])
        resumed, printed = _RESUMING.search(text), _EPOCH.findall(text)
        if resumed:
            return Attempt(int(resumed[1]), int(printed[-1]) if printed else int(resumed[1]))
        return Attempt(int(printed[0]) - 1, int(printed[-1])) if printed else Attempt()

    def reason(self, log: Path, folder: Path) -> str:
        """Return why a script failed, to be added to a message; empty if its log does not say.

        Args:
            log: The log of the process that failed.
            folder: The folder that the message names if the disk was full.
        """
        tail = self.tail(log)
        if any(text in " ".join(tail) for text in _FULL_DISK):
            return f"; no space is left for {folder}: free some, or choose another outputs_dir"
        # The first line of a Python exception names it; other lines may follow.
        error = next((line for line in reversed(tail) if ERROR.match(line)), "")
        return f": {error.strip()}" if error else ""

    def last_warning(self) -> str:
        """Return the last warning: a script may print the same one again and again."""
        end = "\n".join(self.tail(self._logs[0], _END_LINES))
        return str(max(WARNING.findall(end)[-1:], default=""))

    def _last_attempt(self, log: Path) -> str:
        try:
            text = log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return _ATTEMPT.split(text)[-1]
