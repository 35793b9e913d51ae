"""The GPUs and workers of a job, and TensorFlow's strategy to train on all of them together.

Azure ML sets the variable TF_CONFIG in each worker. TF_CONFIG lists all workers of the job:
https://learn.microsoft.com/azure/machine-learning/how-to-train-distributed-gpu#tensorflow
"""

import json
import os
import socket
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from digits.errors import ClusterError, SettingsError

_POLL_SECONDS = 0.1
#: Only these 16 bits of a checksum are compared between the workers. The comparison adds the
#: checksums of all workers in float32. The sum of up to 256 numbers with 16 bits is exact in
#: float32. The comparison is therefore exact for up to 256 workers.
_SUM_BITS = 0xFFFF


@dataclass(frozen=True)
class Task:
    """The position of this process among the workers of its job.

    Attributes:
        workers: The address of each worker, HOST:PORT; empty if the job has one process.
        index: The index of this process in `workers`.
    """

    workers: tuple[str, ...] = ()
    index: int = 0

    @property
    def others(self) -> list[str]:
        """The addresses of all workers except this worker."""
        return [address for place, address in enumerate(self.workers) if place != self.index]


class Cluster:
    """The devices and workers that train together.

    Args:
        strategy: TensorFlow's strategy for several GPUs or workers; None for one device.
        task: The position of this process among the workers.
        description: A text that names the devices, for the log and for `evaluation.json`.
    """

    def __init__(self, strategy: Any, task: Task, description: str) -> None:
        self.strategy = strategy
        self.description = description
        self.is_chief = task.index == 0
        """Whether this process is the chief.

        Only the chief logs metrics, saves checkpoints and exports the model.
        """
        self._has_others = bool(task.others)
        self._over_workers = tf.function(self._reduced, autograph=False)

    def mean(self, values: list[float]) -> list[float]:
        """Return the mean of each value over all workers.

        All workers get exactly the same numbers. All workers must call this method.
        """
        if not self._has_others:
            return values
        means: list[float] = self._over_workers(tf.constant(values, tf.float32)).numpy().tolist()
        return means

    def check_same(self, values: Mapping[str, object]) -> None:
        """Check that each value is the same in all workers. All workers must call this method.

        Raises:
            ClusterError: A value differs between the workers. The message contains the name of the
                value, and the value in this worker.
        """
        sums = [float(zlib.crc32(repr(value).encode()) & _SUM_BITS) for value in values.values()]
        means = self.mean(sums)
        differing = [
            f"{name} (here {value})"
            for (name, value), own, mean in zip(values.items(), sums, means, strict=True)
            if own != mean
        ]
        if differing:
            raise ClusterError(
                f"the workers of this job differ in {', '.join(differing)}; start all of them with"
                " the same arguments, the same data and the same folder of checkpoints"
            )

    @contextmanager
    def reporting_lost_workers(self) -> Iterator[None]:
        """Turn TensorFlow's errors about a lost worker into a ClusterError."""
        try:
            yield
        except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as e:
            if not self._has_others:
                raise
            raise ClusterError(
                f"another worker of this job was lost: {_reason(str(e.message))};"
                " start all workers again; with --checkpoints, the run resumes from its last"
                " checkpoint"
            ) from e

    def _reduced(self, values: tf.Tensor) -> tf.Tensor:
        same = self.strategy.run(lambda: tf.identity(values))
        return self.strategy.reduce("MEAN", same, axis=None)


def join_cluster(batch_size: int) -> Cluster:
    """Wait for all workers, and return the cluster with the right strategy for the devices.

    Call this function before any other use of TensorFlow.

    Raises:
        SettingsError: The devices cannot share the batch evenly, or TF_CONFIG is not usable.
        ClusterError: This worker cannot listen at its address, for example because another process
            already listens at this address.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # By default, TensorFlow reserves all memory of a GPU. Other processes could then not use
        # this GPU.
        tf.config.experimental.set_memory_growth(gpu, True)
    if gpus:
        # By default, some sums that a GPU computes differ from run to run.
        tf.config.experimental.enable_op_determinism()
    task = _read_tf_config()
    if task.others:
        _wait_for_all(task)
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        strategy = tf.distribute.MirroredStrategy() if len(gpus) > 1 else None
    replicas = strategy.num_replicas_in_sync if strategy else 1
    if batch_size % replicas:
        raise SettingsError(
            f"--batch-size must be a multiple of the {replicas} devices, got {batch_size}"
        )
    return Cluster(strategy, task, _description(gpus, len(task.workers)))


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _read_tf_config() -> Task:
    """Read TF_CONFIG. If the variable is not set, the job has one process.

    Raises:
        SettingsError: TF_CONFIG is not valid, or requires a feature that this trainer lacks.
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
            "TF_CONFIG: all tasks must have the type worker, as on Azure ML, got a chief; list the"
            " chief as the first worker"
        )
    if cluster.get("ps") or kind != "worker":
        raise SettingsError(
            "TF_CONFIG: parameter_server_count must be 0, got tasks for parameter servers; this"
            " trainer uses MultiWorkerMirroredStrategy, which needs only workers"
        )
    if wrong := [worker for worker in workers if not _is_address(worker)]:
        raise SettingsError(f"TF_CONFIG: workers must be HOST:PORT, got {wrong[0]!r}")
    if twice := [worker for worker in workers if workers.count(worker) > 1]:
        raise SettingsError(f"TF_CONFIG: must list each worker once, got {twice[0]!r} twice")
    if len(workers) > 1 and "index" not in own:
        raise SettingsError(
            f"TF_CONFIG: task.index is missing; with {len(workers)} workers it must be 0 to"
            f" {len(workers) - 1}"
        )
    if workers and not 0 <= index < len(workers):
        raise SettingsError(f"TF_CONFIG: task.index must be below {len(workers)}, got {index}")
    return Task(tuple(workers), index)


def _is_address(text: Any) -> bool:
    host, _, port = str(text).rpartition(":")
    return bool(host) and port.isdecimal() and 0 < int(port) < 2**16


def _reason(message: str) -> str:
    """Return the last line of TensorFlow's message that does not describe a node of a graph."""
    lines = [line.partition(" [Op:")[0].strip() for line in message.splitlines()]
    plain = [line for line in lines if line and not ("{{node" in line or line.startswith("[["))]
    return plain[-1][:300] if plain else "the worker does not answer any more"


def _wait_for_all(task: Task) -> None:
    """Wait until every worker listens at its address.

    TensorFlow would wait for the workers in C++ code. Python cannot handle signals such as SIGTERM
    while C++ code runs. Therefore this function waits in Python. This worker listens at its own
    address until all other workers listen at their addresses too. After that, TensorFlow itself
    listens at the addresses.
    """
    missing, own = task.others, task.workers[task.index]
    try:
        beacon = socket.create_server(**_listening(own))
    except OSError as error:
        raise ClusterError(
            f"TF_CONFIG: worker {task.index} cannot listen at {own}: {error.strerror}"
        ) from error
    print(f"worker {task.index} of {len(task.workers)}: waits for {', '.join(missing)}", flush=True)
    with beacon:
        while missing := [worker for worker in missing if not _answers(worker)]:
            time.sleep(_POLL_SECONDS)


def _listening(worker: str) -> dict[str, Any]:
    """Return the arguments of `socket.create_server` for a worker's address.

    On many machines, the host name resolves to 127.0.1.1, which other machines cannot reach.
    Therefore this worker listens on every address of its machine, as TensorFlow does. Only a worker
    with a loopback address, such as localhost, listens on this address alone.
    """
    host, port = _host_and_port(worker)
    if host == "::1":
        return {"address": (host, port), "family": socket.AF_INET6}
    if host == "localhost" or host.startswith("127."):
        return {"address": (host, port)}
    if socket.has_dualstack_ipv6():
        return {"address": ("", port), "family": socket.AF_INET6, "dualstack_ipv6": True}
    return {"address": ("", port)}


def _answers(worker: str) -> bool:
    try:
        socket.create_connection(_host_and_port(worker), timeout=1).close()
    except (OSError, UnicodeError):
        return False
    return True


def _host_and_port(worker: str) -> tuple[str, int]:
    host, _, port = worker.rpartition(":")
    # An IPv6 address is in brackets, because the address itself contains colons.
    return host.removeprefix("[").removesuffix("]"), int(port)


def _description(gpus: list[Any], workers: int) -> str:
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        make = details.get("device_name", "of unknown make")
        device = f"{len(gpus)} x GPU {make} (memory growth)"
    else:
        device = f"CPU ({cores()} core{'s' if cores() > 1 else ''})"
    return f"{workers} workers, each {device}" if workers > 1 else device
