"""How long this process has been running, its interpreter's start included."""

import os
import time
from pathlib import Path

_LOADED = time.monotonic()


def seconds_since_process_start() -> float:
    """Seconds since the system started this process; since this import where it does not tell.

    The start is field 22 of https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html.
    """
    try:
        # The second field, the command's name, may hold blanks and brackets of its own.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, AttributeError, IndexError, ValueError):
        return time.monotonic() - _LOADED
