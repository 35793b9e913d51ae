"""What a job's script has printed, as far as we understand it; ours prints all of it."""

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TAIL_LINES = 20
#: Where a script's last words are looked for.
_END_LINES = 10_000
#: What a script prints after an epoch, e.g. `epoch 3/20`.
_EPOCH = re.compile(r"^epoch +(\d+)/\d+", re.MULTILINE)
#: How a line says why a script failed: as ours do, as argparse does, as Python does.
ERROR = re.compile(r"([\w.-]+\.py: )?error: |[\w.]*(Error|Exception): ")
#: How a script warns.
WARNING = re.compile(r"^warning: (.+)", re.MULTILINE)
#: What a script prints when it goes on from a checkpoint.
_RESUMING = re.compile(r"resuming from epoch (\d+)")
#: How a line of ours begins and ends.
_NOTE = "==== {} ===="
#: Those that begin an attempt; a script may print lines like them.
_NOTED = re.compile(r"^==== (?:started again|evicted after)\b.* ====$\n?", re.MULTILINE)
#: How the operating system and SQLite say so.
_FULL_DISK = (os.strerror(errno.ENOSPC), "database or disk is full")


@dataclass(frozen=True)
class Attempt:
    """What an attempt has told of its epochs.

    Attributes:
        went_on_from: The epoch before its first; None when it told of none.
        epoch: Its last.
    """

    went_on_from: int | None = None
    epoch: int = 0

    @property
    def epochs(self) -> int:
        """How many it has done."""
        return self.epoch - (self.went_on_from or 0)


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
                file.write(_NOTE.format(text) + "\n")

    def tail(self, log: Path, lines: int = _TAIL_LINES) -> list[str]:
        """Return the last lines of the last attempt in one of the logs."""
        return self._last_attempt(log).splitlines()[-lines:]

    def attempt(self) -> "Attempt":
        """Return what the last attempt has told of its epochs."""
        text = self._last_attempt(self._logs[0])
        resumed, printed = _RESUMING.search(text), _EPOCH.findall(text)
        if resumed:
            return Attempt(int(resumed[1]), int(printed[-1]) if printed else int(resumed[1]))
        return Attempt(int(printed[0]) - 1, int(printed[-1])) if printed else Attempt()

    def reason(self, log: Path, folder: Path) -> str:
        """Return words to add to why a script failed: what it said of it last, if it did.

        Args:
            log: Of the process that failed.
            folder: Where it wrote what there may be no room for.
        """
        told = " ".join(self.tail(log))
        if any(words in told for words in _FULL_DISK):
            return f"; no space is left for {folder}: free some, or choose another outputs_dir"
        # The text of an exception may have several lines, of which the first names it.
        said = next((line for line in reversed(self.tail(log)) if ERROR.match(line)), "")
        return f": {said.strip()}" if said else ""

    def last_warning(self) -> str:
        """Return the warning that tells of the others, where it is the same again and again."""
        return str(max(WARNING.findall(self._end())[-1:], default=""))

    def _last_attempt(self, log: Path) -> str:
        try:
            text = log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return _NOTED.split(text)[-1]

    def _end(self, lines: int = _END_LINES) -> str:
        return "\n".join(self.tail(self._logs[0], lines))
