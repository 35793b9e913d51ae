"""All processes of one job: a single process, or a cluster of workers on 127.0.0.1.

Each of TensorFlow's workers reads the addresses of all workers from the environment variable
TF_CONFIG. The variable has the same structure as on Azure ML. TensorFlow's gRPC server listens on
every address of the machine, although TF_CONFIG contains only 127.0.0.1.
https://learn.microsoft.com/azure/machine-learning/how-to-train-distributed-gpu
"""

import contextlib
import json
import selectors
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mnist_exp.workspaces.local.processes.job_process import JobProcess

LOOPBACK = "127.0.0.1"
_POLL_S = 0.05


class Processes(Protocol):
    """All processes of a job. If one process fails, the remaining processes are terminated."""

    @property
    def failed_log(self) -> Path:
        """The console log that shows the reason why the job failed."""

    @property
    def lost_reason(self) -> str:
        """The reason why the job ended, if the job itself was not the cause; otherwise empty."""

    @property
    def handles(self) -> Sequence[int]:
        """File descriptors that become readable when a process ends; may be empty."""

    def poll(self) -> int | None:
        """Return the job's exit code; None while the job runs."""

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit code when all processes have ended, or None after `timeout_s` seconds."""

    def terminate(self) -> None:
        """Send SIGTERM to all processes, and SIGKILL after the grace period. Do not wait."""

    def close(self) -> None:
        """Terminate all processes that still run, and wait until all have ended."""


@dataclass(frozen=True)
class EndedProcesses:
    """The processes of a job that ended while no `mnist-exp` command ran."""

    code: int
    failed_log: Path
    lost_reason: str = ""
    handles: Sequence[int] = ()

    def poll(self) -> int | None:
        """Return the exit code."""
        return self.code

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit code."""
        return self.code

    def terminate(self) -> None:
        """Do nothing: the processes have ended."""

    def close(self) -> None:
        """Do nothing: the processes have ended."""


class Workers:
    """All processes of a job, with one supervisor for each process.

    Args:
        command: The bash command line of all processes.
        folder: The working directory of all processes.
        environments: One set of environment variables for each process.
        logs: One console log for each process.
    """

    def __init__(
        self,
        command: str,
        folder: Path,
        environments: Sequence[Mapping[str, str]],
        logs: Sequence[Path],
    ) -> None:
        self._logs = logs
        self._processes: list[JobProcess] = []
        try:
            for environment, log in zip(environments, logs, strict=True):
                self._processes.append(JobProcess(command, folder, environment, log))
        except BaseException:
            self.close()
            raise
        #: The console log of the process that failed first, or the first log if no process has
        #: failed.
        self.failed_log = logs[0]
        self._code: int | None = None

    @property
    def lost_reason(self) -> str:
        """The reason why the job ended, if the job itself was not the cause; otherwise empty."""
        is_lost = any(process.is_lost for process in self._processes)
        return "the job's supervisor process was killed" if is_lost else ""

    @property
    def handles(self) -> Sequence[int]:
        """File descriptors that become readable when a process ends."""
        return [process.handle for process in self._processes if process.handle is not None]

    def poll(self) -> int | None:
        """Return the job's exit code; None while a process of the job runs.

        If a process fails, the remaining processes are terminated, because they would wait forever
        for the failed process. The job's exit code is then the exit code of the process that failed
        first.
        """
        codes = [process.poll() for process in self._processes]
        if self._code is None:
            failed = next((index for index, code in enumerate(codes) if code), None)
            if failed is not None:
                self._code, self.failed_log = codes[failed], self._logs[failed]
                self.terminate()
        if None in codes:
            return None
        return self._code or 0

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit code when all processes have ended, or None after `timeout_s` seconds."""
        if len(self._processes) == 1:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._processes[0].wait(timeout_s)
            return self.poll()
        deadline = time.monotonic() + timeout_s
        while (code := self.poll()) is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return code

    def terminate(self) -> None:
        """Send SIGTERM to all processes, and SIGKILL after the grace period. Do not wait."""
        for process in self._processes:
            process.terminate()

    def close(self) -> None:
        """Terminate all processes that still run, and wait until all have ended."""
        self.terminate()
        for process in self._processes:
            process.close()


def wait_for_any(handles: Iterable[int], timeout_s: float) -> None:
    """Wait until a file descriptor is readable, but at most for the given time."""
    with selectors.DefaultSelector() as selector:
        for handle in set(handles):
            # The process may have ended meanwhile, so that its file descriptor is closed.
            with contextlib.suppress(ValueError, OSError):
                selector.register(handle, selectors.EVENT_READ)
        selector.select(timeout_s)


def worker_environments(environments: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Return the environments of all workers. Several workers also get their rank and TF_CONFIG."""
    workers = len(environments)
    if workers == 1:
        return list(environments)
    addresses = [f"{LOOPBACK}:{port}" for port in _free_ports(workers)]
    return [
        {
            **environment,
            "AZUREML_CR_NODE_RANK": str(index),
            "AZUREML_NODE_COUNT": str(workers),
            "AZ_BATCH_MASTER_NODE": addresses[0],
            "TF_CONFIG": json.dumps(
                {
                    "cluster": {"worker": addresses},
                    "task": {"type": "worker", "index": index},
                    "environment": "cloud",
                }
            ),
        }
        for index, environment in enumerate(environments)
    ]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind((LOOPBACK, 0))
        return [int(listener.getsockname()[1]) for listener in listeners]
