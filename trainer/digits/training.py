"""The training loop, which trains epoch by epoch and computes the metrics of each epoch."""

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digits.cluster import Cluster
from digits.compute import UNSEEN, ComputePath, Progress
from digits.data import Split
from digits.errors import DivergedError, SettingsError, Stopped, StopRequest
from digits.settings import Settings

#: The training loop checks for SIGTERM after each *stretch* of steps. A stretch takes about this
#: number of seconds.
_STRETCH_SECONDS = 0.5
_IMPORTED = time.monotonic()


@dataclass(frozen=True)
class Epoch:
    """The result of an epoch.

    Attributes:
        number: The number of the epoch, from 1.
        metrics: The values of `loss`, `training_acc` and `validation_acc`. Each training step adds
            to `loss` and `training_acc` before the step changes the weights.
        seconds: The wall time of training and validation.
    """

    number: int
    metrics: dict[str, float]
    seconds: float


class TrainingLoop:
    """A loop that trains a network, epoch by epoch.

    Each epoch uses the training images in a new random order. The last images of an epoch are
    omitted if they do not fill a batch. Different epochs omit different images.

    Args:
        path: The compute path with the network.
        settings: The settings with batch size, number of epochs and seed.
        digits: The digits to train and to validate with.
        cluster: The workers that train together.
        stop: The flag that SIGTERM sets. The loop checks the flag after each stretch of steps.

    Raises:
        SettingsError: The batch is larger than the training part.
    """

    def __init__(
        self,
        path: ComputePath,
        settings: Settings,
        digits: Split,
        cluster: Cluster,
        stop: StopRequest,
    ) -> None:
        count = len(digits.training)
        if settings.batch_size > count:
            raise SettingsError(
                f"--batch-size must be at most the {count} training images,"
                f" got {settings.batch_size}"
            )
        self.pace = Pace()
        self._path = path
        self._settings = settings
        self._digits = digits
        self._cluster = cluster
        self.stop = stop
        self._is_stopping = False

    def epochs(self, done: int = 0) -> Iterator[Epoch]:
        """Train, and yield the result of each epoch.

        Args:
            done: Number of epochs that are already complete.

        Raises:
            DivergedError: The loss or a logit has become infinite or NaN.
            Stopped: This worker or another worker has received SIGTERM.
        """
        for number in range(done + 1, self._settings.epochs + 1):
            if self._is_stopping:
                raise Stopped(f"stopped by SIGTERM after epoch {number - 1}")
            start = time.perf_counter()
            progress = self._train(number)
            images = progress.steps * self._settings.batch_size
            metrics = {
                "loss": progress.loss / images,
                "training_acc": progress.correct / images,
                "validation_acc": self._validation_accuracy(number),
            }
            yield Epoch(number, metrics, time.perf_counter() - start)

    def _train(self, number: int) -> Progress:
        count = len(self._digits.training)
        order = epoch_order(self._settings.seed, number, count)
        steps = count // self._settings.batch_size
        progress = Progress()
        while progress.steps < steps:
            last = min(steps, progress.steps + self.pace.stretch())
            start = time.perf_counter()
            further = self._path.train(order, progress, last)
            taken = time.perf_counter() - start
            # Both values must be the same in all workers. Otherwise the workers would take
            # different numbers of steps, and would wait for each other forever.
            seconds, stop = self._cluster.mean([taken, float(self.stop.is_set)])
            self.pace.learn(last - progress.steps, seconds)
            progress = further
            if not math.isfinite(progress.loss):
                raise self._diverged(number, f"the loss became {progress.loss}")
            # If the epoch is complete, do not raise Stopped here. `epochs` yields this epoch, and
            # raises Stopped before the next epoch.
            self._is_stopping = bool(stop)
            if stop and progress.steps < steps:
                raise Stopped(f"stopped by SIGTERM in epoch {number}")
        return progress

    def _validation_accuracy(self, number: int) -> float:
        seen = self._path.predict(self._digits.validation.images)
        # The loss was computed before the last step changed the weights. Therefore the loss may be
        # finite although the last step has made the weights infinite or NaN.
        if (seen == UNSEEN).any():
            raise self._diverged(number, "outputs became inf or nan")
        return float(np.mean(seen == self._digits.validation.labels))

    def _diverged(self, number: int, what: str) -> DivergedError:
        parameters = " ".join(f"{k}={v}" for k, v in self._settings.parameters().items())
        return DivergedError(
            f"{what} in epoch {number}: training has diverged; try a smaller"
            f" --learning-rate ({parameters})"
        )


def epoch_order(seed: int, number: int, count: int) -> np.ndarray:
    """Return the order in which an epoch uses the images.

    The same seed and the same number of the epoch always give the same order.

    Args:
        seed: The seed of the run.
        number: The number of the epoch.
        count: The number of images.
    """
    random = np.random.default_rng([seed, 2, number])
    return random.permutation(count).astype(np.int32)


class Pace:
    """The measured speed of the steps, and the number of steps in the next stretch.

    The first step waits for the compiler. Therefore the first stretch has only one step.

    Attributes:
        seconds_to_first_step: Seconds from the start of the process to the end of the first step.
        steps: Number of steps so far, without the first step.
        seconds: Total seconds of the steps that `steps` counts.
    """

    def __init__(self) -> None:
        self.seconds_to_first_step = 0.0
        self.steps = 0
        self.seconds = 0.0

    def stretch(self) -> int:
        """Return the number of steps in the next stretch."""
        if not self.steps:
            return 1
        # The speed of the first steps may differ from the later speed. Therefore a stretch has at
        # most twice the number of steps so far.
        most = 2 * self.steps
        return max(1, min(most, int(_STRETCH_SECONDS * self.steps / self.seconds)))

    def learn(self, steps: int, seconds: float) -> None:
        """Record the duration of a stretch of steps."""
        if not self.seconds_to_first_step:
            self.seconds_to_first_step = seconds_since_process_start()
            return
        self.steps += steps
        self.seconds += seconds


def seconds_since_process_start() -> float:
    """Return the seconds since the start of the process.

    The start time is field 22 of /proc/self/stat, which is described in
    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html. If this file cannot be read, return
    the seconds since the import of this module.
    """
    try:
        # Split the line after the second field. This field, the name of the command, may contain
        # spaces and parentheses.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, AttributeError, IndexError, ValueError):
        return time.monotonic() - _IMPORTED
