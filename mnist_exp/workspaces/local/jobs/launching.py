"""Start the processes of several jobs, as forks of a fork server or as processes of their own.

The trials of a sweep and the variants of a multirun are started in this way.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mnist_exp.specs import CommandJob
from mnist_exp.templates import references, render
from mnist_exp.workspaces.local.environments.interpreter import OLDEST_PYTHON, Interpreter
from mnist_exp.workspaces.local.environments.throwaway import throwaway_folder
from mnist_exp.workspaces.local.jobs.environment import TrackedRun, job_environment
from mnist_exp.workspaces.local.processes.forking import server
from mnist_exp.workspaces.local.processes.forking.analysis import (
    REHEARSAL,
    libraries_of,
    python_call,
)
from mnist_exp.workspaces.local.processes.forking.client import ForkedScript, ForkServer
from mnist_exp.workspaces.local.processes.job_orphans import end_orphans, of_sweep
from mnist_exp.workspaces.local.processes.workers import Processes, Workers
from mnist_exp.workspaces.local.tracking.database import ARTIFACTS_NAME, STORE_NAME, store_uri

#: Environment variables that limit the number of threads of numerical libraries.
_THREADS = (
    "TF_NUM_INTRAOP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def thread_variables(concurrent: int) -> dict[str, str]:
    """Return the environment variables that limit the threads of each job.

    If several jobs run at the same time, each job gets one thread. With more threads, the jobs
    would slow each other down. If only one job runs at a time, the job may use all cores.
    """
    return dict.fromkeys(_THREADS, "1") if concurrent > 1 else {}


def with_limited_threads(job: CommandJob, concurrent: int) -> CommandJob:
    """Return a job with the environment variables that limit its threads.

    Variables of the job itself have priority.
    """
    variables = {**thread_variables(concurrent), **job.environment_variables}
    return replace(job, environment_variables=variables)


class JobLauncher:
    """A launcher for the processes of jobs that import the same libraries.

    A command `python SCRIPT.py ...` runs in a fork of the fork server. The fork server is a process
    that has already imported the script's libraries. Any other command is started in the same way
    as the command of a single job.

    Args:
        folder: The working folder of the fork server, e.g. the sweep's folder.
        message: Function that receives a message for the user if jobs cannot be forked.
        interpreter: The Python that runs the jobs.
    """

    def __init__(
        self, folder: Path, message: Callable[[str], None], interpreter: Interpreter
    ) -> None:
        self._interpreter = interpreter
        self._folder = folder
        self._message = message
        self._log = folder / "user_logs" / "fork_server.txt"
        self._server: ForkServer | None = None
        #: Whether jobs can no longer be forked. A message has reported the loss.
        self.is_lost = False

    def prepare(self, job: CommandJob, outputs: Path, served: str | None) -> None:
        """Start the fork server if jobs can be forked. The server then imports the libraries.

        Args:
            job: One of the jobs.
            outputs: The outputs folder.
            served: The address of the tracking server of the jobs; None if jobs open the MLflow
                store themselves.
        """
        # Jobs with several workers are never forked.
        if job.code is None or job.worker_count > 1:
            return
        uri = served or store_uri(outputs / STORE_NAME)
        no_run = TrackedRun(uri, "", "", outputs / ARTIFACTS_NAME)
        software = self._interpreter.variables()
        environment = job_environment(job, no_run, self._folder, software)
        command = render(job.command, dict.fromkeys(references(job.command), "x"))
        argv = self._call_of(command, [environment], self._interpreter.programs)
        if argv is not None and not self._interpreter.can_run_package:
            needed = ".".join(map(str, OLDEST_PYTHON))
            self._message(
                f"each job imports its libraries itself, because the environment has Python "
                f"{self._interpreter.version}; with Python {needed} or later, jobs start faster"
            )
        elif argv is not None:
            self._start_server(argv[0], job.code, environment)

    def __call__(
        self,
        command: str,
        folder: Path,
        environments: Sequence[Mapping[str, str]],
        logs: Sequence[Path],
    ) -> Processes:
        """Start the processes of one job.

        Args:
            command: The job's command line.
            folder: The working directory.
            environments: One set of environment variables for each process.
            logs: One console log for each process.
        """
        argv = self._call_of(command, environments, throwaway_folder(folder) / "bin")
        if argv is not None and (server := self._server_for(argv[0], folder, environments[0])):
            return ForkedScript(server, argv, folder, environments[0], logs[0])
        return Workers(command, folder, environments, logs)

    @property
    def is_loading(self) -> bool:
        """Whether the fork server still imports the libraries. The import may take seconds."""
        return self._server is not None and self._server.is_loading

    def close(self) -> None:
        """End the fork server and all orphan processes of its forks.

        Call this method only after all jobs have ended.
        """
        if self._server:
            self._server.close()
        end_orphans(of_sweep(self._folder), grace_s=0)

    def _call_of(
        self, command: str, environments: Sequence[Mapping[str, str]], programs: Path
    ) -> Sequence[str] | None:
        """Return the script and its arguments if a fork can run the command, else None.

        Args:
            command: The command line.
            environments: One set of environment variables for each process.
            programs: The folder of the job's `python`. If the command would run a `python` in a
                different folder, because the user has set PATH, the job is not forked.
        """
        first = environments[0]
        python = shutil.which("python", path=first.get("PATH"))
        is_this_python = python is not None and Path(python).parent == programs
        return python_call(command, first) if len(environments) == 1 and is_this_python else None

    def _server_for(
        self, script: str, folder: Path, environment: Mapping[str, str]
    ) -> ForkServer | None:
        if self.is_lost or not self._interpreter.can_run_package:
            return None
        server = self._server or self._start_server(script, folder, environment)
        if server.wait_until_ready():
            return server
        self.is_lost = True
        why = server.lost_reason or "jobs cannot be forked"
        self._message(
            f"{why}; the other jobs will start more slowly, because each job will import its "
            f"libraries; the fork server's log is {self._log}"
        )
        return None

    def _start_server(
        self, script: str, folder: Path, environment: Mapping[str, str]
    ) -> ForkServer:
        modules = libraries_of(folder, script)
        if not self._interpreter.is_this_python:
            # The jobs run in a different Python environment than this command. Such jobs use a
            # tracking server and never open the store, so they need no rehearsal.
            modules = [module for module in modules if module != REHEARSAL]
        start = self._interpreter.module(server.__name__)
        self._server = ForkServer(modules, self._folder, environment, self._log, start=start)
        return self._server
