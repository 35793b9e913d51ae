"""A job's process on this machine: started under the supervisor, watched, ended."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from mnist_exp.workspaces.local.processes import supervisor
from mnist_exp.workspaces.local.processes.job_orphans import end_leftovers, of_job

#: Seconds between SIGTERM and SIGKILL, for a job to save what it has.
GRACE_S = 10.0

#: The file beside a job's working folder that has the exit code of a command that ended by itself.
EXIT_CODE_NAME = "exit_code"


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
        self._folder = folder
        log.parent.mkdir(parents=True, exist_ok=True)
        # -I: neither the job's folder nor its PYTHON* variables reach the supervisor itself.
        arguments = [sys.executable, "-I", "-S", supervisor.__file__, str(grace_s)]
        arguments += [str(folder.parent / EXIT_CODE_NAME)]
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

        #: Becomes readable when it has ended; None where the system has no such thing.
        self.handle: int | None = None
        with contextlib.suppress(OSError):
            self.handle = os.pidfd_open(self._process.pid)

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    @property
    def is_lost(self) -> bool:
        """Whether its supervisor was killed, and it with it."""
        # By no other signal: one that ends it on request before it listens says nothing of this.
        return self._process.poll() == -signal.SIGKILL

    def poll(self) -> int | None:
        """Return the exit code, None while it runs; 128 + n for a job that signal n ended."""
        code = self._process.poll()
        return None if code is None else self._ended(code)

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end and return the exit code.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        return self._ended(self._process.wait(timeout=timeout_s))

    def terminate(self) -> None:
        """Ask it to end; it is killed when its grace period is over. Returns at once."""
        if self._process.poll() is None:
            self._process.terminate()

    def close(self) -> None:
        """End it if it still runs, and wait for that."""
        self.terminate()
        self.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None

    def _ended(self, code: int) -> int:
        if code >= 0:
            return code
        # The supervisor itself was killed: what it looked after is ended here.
        end_leftovers(of_job(self._folder), patience_s=0)
        return supervisor.EXIT_BY_SIGNAL - code
