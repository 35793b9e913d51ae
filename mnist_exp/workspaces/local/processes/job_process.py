"""One process of a job: started under a supervisor, polled, terminated."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from mnist_exp.workspaces.local.processes import supervisor
from mnist_exp.workspaces.local.processes.job_orphans import end_orphans, of_job

#: Seconds between SIGTERM and SIGKILL, in which a job can save its state.
GRACE_S = 10.0

#: Name of the file beside a job's working folder that keeps the exit code. A command that was
#: terminated has no such file.
EXIT_CODE_NAME = "exit_code"


class JobProcess:
    """A running command.

    Args:
        command: A bash command line.
        folder: The working directory.
        environment: All environment variables: the command inherits no others.
        log: The file to which standard output and error are appended.
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
        # -I keeps the job's folder and its PYTHON* variables away from the supervisor. -S saves the
        # time that Python takes to find installed packages.
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
                # Ctrl-C at the terminal then reaches only this program, which terminates its jobs
                # in order.
                start_new_session=True,
            )

        #: A pidfd, readable when the process has ended; None where the kernel has no pidfds.
        self.handle: int | None = None
        with contextlib.suppress(OSError):
            self.handle = os.pidfd_open(self._process.pid)

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    @property
    def is_lost(self) -> bool:
        """Whether the supervisor was killed, and the command with it."""
        # Only SIGKILL counts. SIGTERM from `terminate` can end a supervisor that has no handler
        # yet, and this is no loss.
        return self._process.poll() == -signal.SIGKILL

    def poll(self) -> int | None:
        """Return the exit code, None while the command runs; 128 + n if signal n ended it."""
        code = self._process.poll()
        return None if code is None else self._ended(code)

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end and return the exit code.

        Raises:
            subprocess.TimeoutExpired: The command still runs.
        """
        return self._ended(self._process.wait(timeout=timeout_s))

    def terminate(self) -> None:
        """Send SIGTERM, and SIGKILL after the grace period; return without waiting."""
        if self._process.poll() is None:
            self._process.terminate()

    def close(self) -> None:
        """Terminate the command if it still runs, and wait for its end."""
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
        # A signal ended the supervisor, so nobody has killed the job's remaining processes.
        end_orphans(of_job(self._folder), grace_s=0)
        return supervisor.EXIT_BY_SIGNAL - code
