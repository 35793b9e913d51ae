"""The colleagues of this process, of whom Azure ML tells a worker by TF_CONFIG.

https://learn.microsoft.com/azure/machine-learning/how-to-train-distributed-gpu#tensorflow
"""

import json
import os
from dataclasses import dataclass
from typing import Any

from digits.errors import SettingsError


@dataclass(frozen=True)
class Task:
    """What this process is among the workers of its job.

    Attributes:
        workers: The address of each, HOST:PORT; none where it works alone.
        index: Its own place among them.
    """

    workers: tuple[str, ...] = ()
    index: int = 0

    @property
    def others(self) -> list[str]:
        """The addresses of its colleagues."""
        return [address for place, address in enumerate(self.workers) if place != self.index]


def read_tf_config() -> Task:
    """Reads TF_CONFIG; without it, a process works alone.

    Raises:
        SettingsError: It is not usable, or asks for what this trainer cannot do.
    """
    try:
        config: dict[str, Any] = json.loads(os.environ.get("TF_CONFIG") or "{}")
        cluster, own = config.get("cluster", {}), config.get("task", {})
        kind, index = own.get("type", "worker"), int(own.get("index", 0))
        workers = cluster.get("worker") or []
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise SettingsError(f"TF_CONFIG cannot be read: {error}") from error
    if not isinstance(workers, list):
        raise SettingsError(f"TF_CONFIG: cluster.worker must be a list, got {workers!r}")
    if kind == "chief" or cluster.get("chief"):
        raise SettingsError(
            "TF_CONFIG names a chief of its own; as on Azure ML all must be of type worker, of"
            " which the first is the chief"
        )
    if cluster.get("ps") or kind != "worker":
        raise SettingsError(
            "TF_CONFIG asks for parameter servers; this trainer's workers update together"
            " (MultiWorkerMirroredStrategy), so parameter_server_count must be 0"
        )
    if wrong := [worker for worker in workers if not _is_address(worker)]:
        raise SettingsError(f"TF_CONFIG: must name workers as HOST:PORT, got {wrong[0]!r}")
    if twice := [worker for worker in workers if workers.count(worker) > 1]:
        raise SettingsError(f"TF_CONFIG: must name each worker once, got {twice[0]!r} twice")
    if len(workers) > 1 and "index" not in own:
        raise SettingsError(f"TF_CONFIG: must name task.index, one of {len(workers)} workers'")
    if workers and not 0 <= index < len(workers):
        raise SettingsError(f"TF_CONFIG: task.index must be below {len(workers)}, got {index}")
    return Task(tuple(workers), index)


def _is_address(text: Any) -> bool:
    host, _, port = str(text).rpartition(":")
    return bool(host) and port.isdecimal() and 0 < int(port) < 2**16
