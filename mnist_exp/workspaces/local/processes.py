"""A job's process on this machine: started under the supervisor, watched, ended."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from mnist_exp.workspaces.local import supervisor

__all__ = ["JobProcess"]

#: Seconds between SIGTERM and SIGKILL, for a job to save what it has.
GRACE_S = 10.0


class JobProcess:
    """A running command.

    Args:
        command: A bash command line.
        folder: The working directory.
        environment: All of its environment: nothing is inherited.
        log: Gets standard output and error, appended.
        grace_s: Seconds between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        command: str,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        grace_s: float = GRACE_S,
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        # -I: neither the job's folder nor its PYTHON* variables reach the supervisor itself.
        arguments = [sys.executable, "-I", "-S", supervisor.__file__, str(grace_s)]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*arguments, "bash", "-c", command],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A Ctrl-C at the terminal reaches us alone; we end the jobs in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, None while it runs; 128 + n for a job that signal n ended."""
        return self._process.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end and return the exit code.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        return self._process.wait(timeout=timeout_s)

    def terminate(self) -> None:
        """Ask it to end; it is killed when its grace period is over. Returns at once."""
        if self._process.poll() is None:
            self._process.terminate()

    def close(self) -> None:
        """End it if it still runs, and wait for that."""
        self.terminate()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
