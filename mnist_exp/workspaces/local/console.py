"""What a job's script has printed, as far as we understand it; ours prints all of it."""

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Console"]

TAIL_LINES = 20
#: Where a script's last words are looked for.
END_LINES = 10_000
#: What a script prints after an epoch, e.g. `epoch 3/20`.
EPOCH = re.compile(r"^epoch +(\d+)/\d+", re.MULTILINE)
#: How a script's last line says why it failed.
ERROR = re.compile(r"(error|\w*(Error|Exception)): ")
#: How a script warns.
WARNING = re.compile(r"^warning: (.+)", re.MULTILINE)
#: What a script prints when it goes on from a checkpoint.
RESUMING = re.compile(r"resuming from epoch (\d+)")
#: How a line of ours begins and ends.
NOTE = "==== {} ===="
#: Those that begin an attempt; a script may print lines like them.
NOTED = re.compile(r"^==== (?:started again|evicted after)\b.* ====$\n?", re.MULTILINE)
#: How the operating system and SQLite say so.
FULL_DISK = (os.strerror(errno.ENOSPC), "database or disk is full")


class Console:
    """The console logs of a job.

    Args:
        logs: One for each of its processes.
    """

    def __init__(self, logs: Sequence[Path]) -> None:
        self._logs = logs

    def note(self, text: str) -> None:
        """Write a line of ours into the logs, before an attempt adds its own."""
        for path in self._logs:
            with path.open("a", encoding="utf-8") as file:
                file.write(NOTE.format(text) + "\n")

    def tail(self, log: Path, lines: int = TAIL_LINES) -> list[str]:
        """Return the last lines of the last attempt in one of the logs."""
        try:
            text = log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        return NOTED.split(text)[-1].splitlines()[-lines:]

    def epochs(self) -> int:
        """Return the number of the last epoch that was told of; 0 when none was."""
        printed = EPOCH.findall(self._end(lines=2))
        return max(map(int, printed), default=0)

    def reason(self, log: Path, folder: Path) -> str:
        """Return words to add to why a script failed: what it said of it last, if it did.

        Args:
            log: Of the process that failed.
            folder: Where it wrote what there may be no room for.
        """
        told = " ".join(self.tail(log))
        if any(words in told for words in FULL_DISK):
            return f"; no space is left for {folder}: free some, or choose another outputs_dir"
        lines = self.tail(log, lines=1)
        return f": {lines[-1].strip()}" if lines and ERROR.match(lines[-1]) else ""

    def last_warning(self) -> str:
        """Return the warning that tells of the others, where it is the same again and again."""
        return str(max(WARNING.findall(self._end())[-1:], default=""))

    def resumed_from(self, note: str) -> int | None:
        """Return the epoch from which the script went on after a note of ours, if it did."""
        try:
            text = self._logs[0].read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        resumed = RESUMING.findall(text.rpartition(NOTE.format(note))[2])
        return int(resumed[0]) if resumed else None

    def _end(self, lines: int = END_LINES) -> str:
        return "\n".join(self.tail(self._logs[0], lines))
