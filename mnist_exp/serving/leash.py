"""Why a server process is there: no process outlives its reason.

While it starts it hangs on the command that starts it, by a socket that closes when that command
ends, even by SIGKILL. Afterwards it hangs on `deployment.json`: when that file no longer names
this process, because another took over or because the folder is gone, the process ends.
"""

import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["READY", "Leash"]

#: What the server says when it accepts requests; before that it said its process id.
READY = b"ready"
#: Seconds between two looks at the record.
PERIOD_S = 1.0


class Leash:
    """The server's end of the socket, and its watch over the record.

    Args:
        connection: To the command that starts the server; it keeps message boundaries.
        record: The deployment's record, which the command writes before it lets go.
    """

    def __init__(self, connection: socket.socket, record: Path) -> None:
        self._connection = connection
        self._record = record

    def say(self, message: bytes) -> None:
        """Tell the command how far the server is; when it has gone, nobody needs to know."""
        try:
            self._connection.send(message)
        except OSError:
            return

    def watch(self, leave: Callable[[str], None]) -> None:
        """Call `leave` once, from a thread, when the reason to be here has gone."""
        threading.Thread(target=self._watch, args=[leave], name="leash", daemon=True).start()

    def _watch(self, leave: Callable[[str], None]) -> None:
        while self._is_held() and self._record.parent.is_dir():
            pass
        while self._is_named():
            time.sleep(PERIOD_S)
        leave(f"{self._record} does not name this process")

    def _is_held(self) -> bool:
        """Wait a period, or less if the command lets go; whether it still holds on."""
        readable, _, _ = select.select([self._connection], [], [], PERIOD_S)
        # Nothing is ever sent this way: readable means closed.
        return not readable

    def _is_named(self) -> bool:
        try:
            record = json.loads(self._record.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except (OSError, ValueError):
            # A disk in trouble is no reason to stop answering.
            return True
        process = record.get("process")
        return process is not None and process.get("pid") == os.getpid()
