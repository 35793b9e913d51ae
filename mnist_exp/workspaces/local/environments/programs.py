"""Run a program that creates an environment, and show its progress."""

import os
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: First words of lines that say nothing about a failure.
_UNIMPORTANT = ("Downloaded ", "Prepared ", "Using ", "error: No solution found")
#: Number of lines that an error keeps of the program's output.
_TAIL_LINES = 40


@dataclass(frozen=True)
class Outcome:
    """The end of a program.

    Attributes:
        code: The exit code.
        lines: The last lines of the output.
    """

    code: int
    lines: Sequence[str]

    @property
    def reason(self) -> str:
        """The output in one line, without the lines about progress."""
        told = [line.strip() for line in self.lines if not is_progress(line)]
        kept = [line for line in told if not line.startswith(_UNIMPORTANT)]
        reason = " ".join(" ".join(kept).split()).removeprefix("cause: ")
        return reason.rstrip(".") or f"exit code {self.code}"


def run(
    command: Sequence[str | Path],
    folder: Path,
    variables: Mapping[str, str],
    message: Callable[[str], None],
    lock: int,
) -> Outcome:
    """Run a program, and pass the lines about its progress to `message`.

    Args:
        command: The program and its arguments.
        folder: The working directory.
        variables: Environment variables in addition to the variables of this process.
        message: Function that receives a line for the user.
        lock: A file descriptor that the program inherits. If this command is killed, the lock stays
            until the program has ended.
    """
    with subprocess.Popen(
        list(command),
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        pass_fds=(lock,),
    ) as process:
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        try:
            for line in process.stdout or ():
                tail.append(line.rstrip())
                if is_progress(line):
                    message(f"env: {line.strip()}")
        except BaseException:
            process.kill()
            raise
    return Outcome(process.returncode, list(tail))


def is_progress(line: str) -> bool:
    """Return whether a line of uv or conda is about progress."""
    return line.strip().startswith(("Downloading ", "Installed ", "Resolved "))
