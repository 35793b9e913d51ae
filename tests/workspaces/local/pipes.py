"""Named pipes, by which a test waits for another process or for its end."""

import os
from pathlib import Path


class Pipe:
    """A named pipe that processes under test write to.

    A shell holds it open with `exec 9> PIPE`: `wait_for_end` returns when the last process that
    has inherited that is gone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        # Open for writing here too, or reading would end between two writers.
        self._reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._writing: int | None = os.open(path, os.O_WRONLY)
        os.set_blocking(self._reading, True)
        self._rest = b""

    def __str__(self) -> str:
        return str(self.path)

    def line(self) -> str:
        """Return the next line that a process writes."""
        while b"\n" not in self._rest:
            self._rest += os.read(self._reading, 4096)
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode()

    def wait_for_end(self) -> str:
        """Return what else was written once no process has the pipe open for writing."""
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None
        while block := os.read(self._reading, 4096):
            self._rest += block
        return self._rest.decode()

    def close(self) -> None:
        """Close it."""
        os.close(self._reading)
        if self._writing is not None:
            os.close(self._writing)
