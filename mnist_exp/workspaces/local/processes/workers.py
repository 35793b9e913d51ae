"""All processes of one job: a single process, or a cluster of workers on 127.0.0.1.

TensorFlow's workers find each other through TF_CONFIG, which has the same content as on Azure ML.
TensorFlow's gRPC server listens on every address of the machine, although TF_CONFIG names only
127.0.0.1.
https://learn.microsoft.com/azure/machine-learning/how-to-train-distributed-gpu
"""

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mnist_exp.workspaces.local.processes.job_process import JobProcess

LOOPBACK = "127.0.0.1"
_POLL_S = 0.05


class Processes(Protocol):
    """All processes of a job. They end together."""

    @property
    def failed_log(self) -> Path:
        """The console log that shows why the job failed."""

    @property
    def loss(self) -> str:
        """Why the job ended if the job itself did not cause it, otherwise empty."""

    @property
    def handles(self) -> Sequence[int]:
        """File descriptors, each readable when its process has ended; may be empty."""

    def poll(self) -> int | None:
        """Return the job's exit code, None while the job runs."""

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit code as soon as all processes have ended, None after `timeout_s`."""

    def terminate(self) -> None:
        """Send SIGTERM to all, and SIGKILL after the grace period; return without waiting."""

    def close(self) -> None:
        """Terminate all processes that still run, and wait for their end."""


@dataclass(frozen=True)
class EndedProcesses:
    """The processes of a job that ended while no command ran."""

    code: int
    failed_log: Path
    loss: str = ""
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
    """All processes of a job, each under a supervisor of its own.

    Args:
        command: A bash command line, the same for each process.
        folder: The working directory of all processes.
        environments: The environment variables of each process.
        logs: The console log of each process.
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
        #: The console log of the first process that failed.
        self.failed_log = logs[0]
        self._code: int | None = None

    @property
    def loss(self) -> str:
        """Why the job ended if the job itself did not cause it, otherwise empty."""
        is_lost = any(process.is_lost for process in self._processes)
        return "its supervisor process was killed" if is_lost else ""

    @property
    def handles(self) -> Sequence[int]:
        """File descriptors, each readable when its process has ended."""
        return [process.handle for process in self._processes if process.handle is not None]

    def poll(self) -> int | None:
        """Return the job's exit code, None while the job runs.

        The exit code is that of the first process that fails. The other processes are then
        terminated, because they would wait forever for the failed process.
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
        """Return the exit code as soon as all processes have ended, None after `timeout_s`."""
        if len(self._processes) == 1:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._processes[0].wait(timeout_s)
            return self.poll()
        deadline = time.monotonic() + timeout_s
        while (code := self.poll()) is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return code

    def terminate(self) -> None:
        """Send SIGTERM to all, and SIGKILL after the grace period; return without waiting."""
        for process in self._processes:
            process.terminate()

    def close(self) -> None:
        """Terminate all processes that still run, and wait for their end."""
        self.terminate()
        for process in self._processes:
            process.close()


def worker_environments(environment: Mapping[str, str], workers: int) -> list[Mapping[str, str]]:
    """Return one environment per worker. Several workers also get their rank and TF_CONFIG."""
    if workers == 1:
        return [environment]
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
        for index in range(workers)
    ]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind((LOOPBACK, 0))
        return [int(listener.getsockname()[1]) for listener in listeners]
