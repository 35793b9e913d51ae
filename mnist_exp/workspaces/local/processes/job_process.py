"""One process of a job: starts a command under a supervisor, and terminates the command."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from mnist_exp.workspaces.local.processes import supervisor
from mnist_exp.workspaces.local.processes.job_orphans import end_orphans, of_job
from mnist_exp.workspaces.local.processes.python_hook.sitecustomize import hooked

#: Seconds between SIGTERM and SIGKILL. A job can save its state in this time.
GRACE_S = 10.0

#: Name of the file with the exit code, beside the job's working folder. If the command was
#: terminated, the file does not exist.
EXIT_CODE_NAME = "exit_code"


def failure_path(folder: Path, log: Path) -> Path:
    """Return the file in which a process of a job records why the process failed.

    Args:
        folder: The job's working folder.
        log: The console log of the process.
    """
    return folder.parent / f"{log.stem}.failure"


class JobProcess:
    """A command that runs under a supervisor.

    Args:
        command: A bash command line.
        folder: The working directory.
        environment: All environment variables. The command inherits no other variables.
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
        # With the option -I, the supervisor does not import modules from the job's folder and
        # ignores the job's PYTHON* variables. The option -S makes the start faster, because Python
        # does not search for installed packages.
        arguments = [sys.executable, "-I", "-S", supervisor.__file__, str(grace_s)]
        arguments += [str(folder.parent / EXIT_CODE_NAME)]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*arguments, "bash", "-c", command],
                cwd=folder,
                env=hooked(environment, str(failure_path(folder, log))),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal must reach only `mnist-exp`, and not the job. `mnist-exp`
                # then terminates the job.
                start_new_session=True,
            )

        #: A pidfd, which becomes readable when the process ends. None if the kernel does not
        #: support pidfds.
        self.handle: int | None = None
        with contextlib.suppress(OSError):
            self.handle = os.pidfd_open(self._process.pid)

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    @property
    def is_lost(self) -> bool:
        """Whether the supervisor was killed. The kernel then kills the command too."""
        # Count only SIGKILL. A supervisor that has just started has no handler for SIGTERM. If
        # `terminate` is called so early, SIGTERM ends the supervisor, and the job ends as intended.
        return self._process.poll() == -signal.SIGKILL

    def poll(self) -> int | None:
        """Return the exit code; None while the command runs.

        If a signal ended the command, the exit code is 128 plus the number of the signal.
        """
        code = self._process.poll()
        return None if code is None else self._ended(code)

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait until the command has ended, and return the exit code.

        Raises:
            subprocess.TimeoutExpired: The command still runs after `timeout_s` seconds.
        """
        return self._ended(self._process.wait(timeout=timeout_s))

    def terminate(self) -> None:
        """Send SIGTERM, and SIGKILL after the grace period; return without waiting."""
        if self._process.poll() is None:
            self._process.terminate()

    def close(self) -> None:
        """Terminate the command if it still runs, and wait until the command has ended."""
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
        # A signal ended the supervisor before the supervisor could kill the job's remaining
        # processes. Kill these processes here.
        end_orphans(of_job(self._folder), grace_s=0)
        return supervisor.EXIT_BY_SIGNAL - code
