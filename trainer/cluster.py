"""The machines and GPUs that a job runs on, and TensorFlow's strategy to use them together.

Azure ML tells a worker of its colleagues by TF_CONFIG:
https://learn.microsoft.com/azure/machine-learning/how-to-train-distributed-gpu#tensorflow
"""

import json
import os
import socket
import time
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from errors import SettingsError

__all__ = ["Cluster", "cores", "join_cluster"]

_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Cluster:
    """What this process works with.

    Attributes:
        strategy: How several GPUs or workers work together; None where there is but one device.
        is_chief: Whether this process is the one that logs, keeps checkpoints and exports.
        description: The devices, for people.
    """

    strategy: Any
    is_chief: bool
    description: str


def join_cluster(batch_size: int) -> Cluster:
    """Makes the strategy that fits the devices. Must come before any other use of TensorFlow.

    Raises:
        SettingsError: The batch cannot be dealt out evenly, or TF_CONFIG is not usable.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # Otherwise a process takes all the memory of a GPU that others may share.
        tf.config.experimental.set_memory_growth(gpu, True)
    if gpus:
        # Some of a GPU's sums come out in another order each time.
        tf.config.experimental.enable_op_determinism()
    config = _tf_config()
    workers = len(_workers(config))
    if workers > 1:
        _wait_for_all(_workers(config), int(config["task"]["index"]))
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        strategy = tf.distribute.MirroredStrategy() if len(gpus) > 1 else None
    replicas = strategy.num_replicas_in_sync if strategy else 1
    if batch_size % replicas:
        raise SettingsError(
            f"--batch-size must be a multiple of the {replicas} devices, got {batch_size}"
        )
    is_chief = int(config.get("task", {}).get("index", 0)) == 0
    return Cluster(strategy, is_chief, _description(gpus, workers))


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _wait_for_all(workers: list[str], index: int) -> None:
    """Returns when every worker is there.

    TensorFlow would wait as well, but in C++, where no signal is heard: so each worker listens at
    its address until all do, and only then TensorFlow takes over.
    """
    missing = [worker for worker in workers if worker != workers[index]]
    try:
        beacon = socket.create_server(_address(workers[index]))
    except OSError:
        # TensorFlow says best what is wrong with the address.
        return
    print(f"worker {index} of {len(workers)}: waits for {', '.join(missing)}", flush=True)
    with beacon:
        while missing := [worker for worker in missing if not _answers(worker)]:
            time.sleep(_LOOK_SECONDS)


def _answers(worker: str) -> bool:
    try:
        socket.create_connection(_address(worker), timeout=1).close()
    except (OSError, UnicodeError):
        return False
    return True


def _address(worker: str) -> tuple[str, int]:
    host, _, port = worker.rpartition(":")
    return host, int(port)


def _tf_config() -> dict[str, Any]:
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        config: dict[str, Any] = json.loads(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        index, hosts = int(task.get("index", 0)), list(cluster.get("worker") or [])
    except (ValueError, TypeError, AttributeError) as error:
        raise SettingsError(f"TF_CONFIG cannot be read: {error}") from error
    if task.get("type", "worker") == "chief" or cluster.get("chief"):
        raise SettingsError(
            "TF_CONFIG names a chief of its own; as on Azure ML all must be of type worker, of"
            " which the first is the chief"
        )
    if cluster.get("ps") or task.get("type", "worker") != "worker":
        raise SettingsError(
            "TF_CONFIG asks for parameter servers; this trainer's workers update together"
            " (MultiWorkerMirroredStrategy), so parameter_server_count must be 0"
        )
    if wrong := [host for host in hosts if not _is_address(host)]:
        raise SettingsError(f"TF_CONFIG: must name workers as HOST:PORT, got {wrong[0]!r}")
    if twice := [host for host in hosts if hosts.count(host) > 1]:
        raise SettingsError(f"TF_CONFIG: must name each worker once, got {twice[0]!r} twice")
    if len(hosts) > 1 and "index" not in task:
        raise SettingsError(f"TF_CONFIG: must name task.index, one of {len(hosts)} workers'")
    if hosts and not 0 <= index < len(hosts):
        raise SettingsError(f"TF_CONFIG: task.index must be below {len(hosts)}, got {index}")
    return config


def _is_address(text: Any) -> bool:
    host, _, port = str(text).rpartition(":")
    return bool(host) and port.isdecimal() and 0 < int(port) < 2**16


def _workers(config: dict[str, Any]) -> list[str]:
    hosts: list[str] = config.get("cluster", {}).get("worker")
    return hosts or ["this process"]


def _description(gpus: list[Any], workers: int) -> str:
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        make = details.get("device_name", "of unknown make")
        device = f"{len(gpus)} x GPU {make} (memory growth)"
    else:
        device = f"CPU ({cores()} core{'s' if cores() > 1 else ''})"
    return f"{workers} workers, each {device}" if workers > 1 else device
