"""The processes of one job: one, or a cluster of workers on 127.0.0.1.

TensorFlow's workers find each other by TF_CONFIG, as Azure ML sets it; its gRPC server listens on
every address of the machine, whatever address TF_CONFIG names.
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

from mnist_exp.workspaces.local.processes.supervised import JobProcess

LOOPBACK = "127.0.0.1"
_POLL_S = 0.05


class Processes(Protocol):
    """The processes of a job, which end together."""

    @property
    def failed_log(self) -> Path:
        """The console log to look at when the job has failed."""

    @property
    def loss(self) -> str:
        """Why it ended, where that was not the job's own doing; else empty."""

    @property
    def handles(self) -> Sequence[int]:
        """What becomes readable when one has ended; may be empty."""

    def poll(self) -> int | None:
        """Return the job's exit code, None while it runs."""

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit code as soon as all have ended, None when the time is over."""

    def terminate(self) -> None:
        """Ask all to end; they are killed when their grace period is over. Returns at once."""

    def close(self) -> None:
        """End what still runs, and wait for that."""


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
        """There is nothing to end."""

    def close(self) -> None:
        """There is nothing to end."""


class Workers:
    """All processes of a job, which end together.

    Args:
        command: A bash command line, the same for each.
        folder: Their working directory.
        environments: One for each process.
        logs: One for each process.
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
        #: The console log to look at when the job has failed: of the first process that failed.
        self.failed_log = logs[0]
        self._code: int | None = None

    @property
    def loss(self) -> str:
        """Why it ended, where that was not the job's own doing; else empty."""
        is_lost = any(process.is_lost for process in self._processes)
        return "the process that watches over it was killed" if is_lost else ""

    @property
    def handles(self) -> Sequence[int]:
        """What becomes readable when a process has ended."""
        return [process.handle for process in self._processes if process.handle is not None]

    def poll(self) -> int | None:
        """Return the job's exit code, None while it runs.

        The first process that fails decides, and the others are asked to end: they would wait for
        it forever.
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
        """Return the exit code as soon as all have ended, None when the time is over."""
        if len(self._processes) == 1:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._processes[0].wait(timeout_s)
            return self.poll()
        deadline = time.monotonic() + timeout_s
        while (code := self.poll()) is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return code

    def terminate(self) -> None:
        """Ask all to end; they are killed when their grace period is over. Returns at once."""
        for process in self._processes:
            process.terminate()

    def close(self) -> None:
        """End what still runs, and wait for that."""
        self.terminate()
        for process in self._processes:
            process.close()


def worker_environments(environment: Mapping[str, str], workers: int) -> list[Mapping[str, str]]:
    """Return an environment for each worker: alone it needs nothing, of several each has a rank."""
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
