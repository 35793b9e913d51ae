"""The machines and GPUs that a job runs on, and TensorFlow's strategy to use them together."""

import os
import socket
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from digits.errors import ClusterError, SettingsError
from digits.tf_config import Task, read_tf_config

_LOOK_SECONDS = 0.1
# As many bits of a checksum as float32 can add up exactly over 256 workers.
_SUM_BITS = 0xFFFF


class Cluster:
    """What this process works with.

    Args:
        strategy: How several GPUs or workers work together; None where there is but one device.
        task: What this process is among the workers.
        description: The devices, for people.
    """

    def __init__(self, strategy: Any, task: Task, description: str) -> None:
        self.strategy = strategy
        self.description = description
        self.is_chief = task.index == 0
        """Whether this process is the one that logs, keeps checkpoints and exports."""
        self._has_colleagues = bool(task.others)
        self._over_workers = tf.function(self._reduced, autograph=False)

    def mean(self, values: list[float]) -> list[float]:
        """The mean over all workers of the job, the same bits in each; all have to ask."""
        if not self._has_colleagues:
            return values
        means: list[float] = self._over_workers(tf.constant(values, tf.float32)).numpy().tolist()
        return means

    def check_same(self, values: Mapping[str, object]) -> None:
        """Compares what must be the same in all workers; all have to ask.

        Raises:
            ClusterError: Some value is another one elsewhere; names it, and the one of this worker.
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
                " the same words, the same data and the same folder of checkpoints"
            )

    @contextmanager
    def telling_of_losses(self) -> Iterator[None]:
        """Turns what TensorFlow says when a colleague is gone into a ClusterError."""
        try:
            yield
        except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as e:
            if not self._has_colleagues:
                raise
            raise ClusterError(
                f"another worker of this job was lost: {_reason(str(e.message))};"
                " start all workers again, they go on from the last checkpoint"
            ) from e

    def _reduced(self, values: tf.Tensor) -> tf.Tensor:
        same = self.strategy.run(lambda: tf.identity(values))
        return self.strategy.reduce("MEAN", same, axis=None)


def join_cluster(batch_size: int) -> Cluster:
    """Makes the strategy that fits the devices. Must come before any other use of TensorFlow.

    Raises:
        SettingsError: The batch cannot be dealt out evenly, or TF_CONFIG is not usable.
        ClusterError: This worker's own address is taken.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # Otherwise a process takes all the memory of a GPU that others may share.
        tf.config.experimental.set_memory_growth(gpu, True)
    if gpus:
        # Some of a GPU's sums come out in another order each time.
        tf.config.experimental.enable_op_determinism()
    task = read_tf_config()
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
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _reason(message: str) -> str:
    """What happened, of a message that tells at length in which node of the graph it did."""
    lines = [line.partition(" [Op:")[0].strip() for line in message.splitlines()]
    told = [line for line in lines if line and not ("{{node" in line or line.startswith("[["))]
    return told[-1][:300] if told else "it does not answer any more"


def _wait_for_all(task: Task) -> None:
    """Returns when every worker is there.

    TensorFlow would wait as well, but in C++, where no signal is heard: so each worker listens at
    its address until all do, and only then TensorFlow takes over.
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
            time.sleep(_LOOK_SECONDS)


def _listening(worker: str) -> dict[str, Any]:
    """Where a worker listens that is known to its colleagues by this address.

    On many machines their own name means 127.0.1.1, where nobody else can reach them; TensorFlow
    listens on every address too.
    """
    host, port = _address(worker)
    if host == "::1":
        return {"address": (host, port), "family": socket.AF_INET6}
    if host == "localhost" or host.startswith("127."):
        return {"address": (host, port)}
    if socket.has_dualstack_ipv6():
        return {"address": ("", port), "family": socket.AF_INET6, "dualstack_ipv6": True}
    return {"address": ("", port)}


def _answers(worker: str) -> bool:
    try:
        socket.create_connection(_address(worker), timeout=1).close()
    except (OSError, UnicodeError):
        return False
    return True


def _address(worker: str) -> tuple[str, int]:
    host, _, port = worker.rpartition(":")
    # An IPv6 address stands in brackets, so that its colons are not taken for the port's.
    return host.removeprefix("[").removesuffix("]"), int(port)


def _description(gpus: list[Any], workers: int) -> str:
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        make = details.get("device_name", "of unknown make")
        device = f"{len(gpus)} x GPU {make} (memory growth)"
    else:
        device = f"CPU ({cores()} core{'s' if cores() > 1 else ''})"
    return f"{workers} workers, each {device}" if workers > 1 else device
