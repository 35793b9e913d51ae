"""Run a program that creates an environment, and show its progress."""

import os
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: First words of the lines in which uv reports an error and the causes of the error.
_ERROR, _CAUSE = "error: ", "cause: "
_NO_SOLUTION = "No solution found"
#: Maximum number of output lines that `Outcome` contains.
_TAIL_LINES = 40


@dataclass(frozen=True)
class Outcome:
    """The outcome of a program that has ended.

    Attributes:
        code: The exit code.
        lines: The last lines of the output.
    """

    code: int
    lines: Sequence[str]

    @property
    def reason(self) -> str:
        """The reason of a failure in one line: uv's error, and the last cause of the error."""
        lines = [" ".join(line.split()) for line in self.lines if not is_progress(line)]
        errors = [line for line in lines if line.startswith(_ERROR)]
        if not errors:
            return " ".join(lines) or f"exit code {self.code}"
        causes = [line.removeprefix(_CAUSE) for line in lines if line.startswith(_CAUSE)]
        # If no versions fit together, uv's cause alone explains the failure.
        facts = [] if _NO_SOLUTION in errors[0] else [errors[0].removeprefix(_ERROR)]
        return ": ".join([*facts, *causes[-1:]]).rstrip(".")


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
        lock: The file descriptor of a lock. The program inherits the lock. If this command is
            killed, the program keeps the lock until the program ends.
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
