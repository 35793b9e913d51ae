"""The training loop: epochs of compiled steps, and the metrics of each epoch."""

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

#: Seconds of steps between two looks at the stop request.
_STRETCH_SECONDS = 0.5
_IMPORTED = time.monotonic()


@dataclass(frozen=True)
class Epoch:
    """The result of an epoch.

    Attributes:
        number: The epoch, from 1.
        metrics: `loss` and `training_acc`, both from the forward passes of the training itself,
            and `validation_acc`.
        seconds: Wall time of training and validation.
    """

    number: int
    metrics: dict[str, float]
    seconds: float


class TrainingLoop:
    """Trains a network, epoch by epoch.

    Each epoch sees the training images in a new order. Images that do not fill a last batch are
    left out of the epoch; these are other images each time.

    Args:
        path: The network, and the way it is computed.
        settings: Batch size, epochs, seed.
        digits: The digits to train and to validate with.
        cluster: The workers that train together.
        stop: Looked at between two stretches of steps.

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
        """Train, and yield after every epoch.

        Args:
            done: Number of epochs that are done already.

        Raises:
            DivergedError: The loss or a logit is not finite any more.
            Stopped: SIGTERM came, to this worker or to another.
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
            # Workers must agree on both values. Otherwise one would wait for the others forever.
            seconds, stop = self._cluster.mean([taken, float(self.stop.is_set)])
            self.pace.learn(last - progress.steps, seconds)
            progress = further
            if not math.isfinite(progress.loss):
                raise self._diverged(number, f"the loss became {progress.loss}")
            # A complete epoch is kept: `epochs` yields it before it stops.
            self._is_stopping = bool(stop)
            if stop and progress.steps < steps:
                raise Stopped(f"stopped by SIGTERM in epoch {number}")
        return progress

    def _validation_accuracy(self, number: int) -> float:
        seen = self._path.predict(self._digits.validation.images)
        # Every loss was computed before the last step changed the weights, so it cannot tell.
        if (seen == UNSEEN).any():
            raise self._diverged(number, "outputs became inf or nan")
        return float(np.mean(seen == self._digits.validation.labels))

    def _diverged(self, number: int, what: str) -> DivergedError:
        parameters = " ".join(f"{k}={v}" for k, v in self._settings.parameters().items())
        return DivergedError(
            f"{what} in epoch {number}: training has diverged; a smaller"
            f" --learning-rate may help ({parameters})"
        )


def epoch_order(seed: int, number: int, count: int) -> np.ndarray:
    """Return the order in which an epoch sees the images; seed and number decide it."""
    random = np.random.default_rng([seed, 2, number])
    return random.permutation(count).astype(np.int32)


class Pace:
    """The speed of the steps, and the number of steps that fit in a stretch.

    Attributes:
        seconds_to_first_step: From the process's start to the end of the first step. The first
            step waits for the compiler, so the first stretch has one step.
        steps: Number of steps taken after the first.
        seconds: Seconds that these steps took.
    """

    def __init__(self) -> None:
        self.seconds_to_first_step = 0.0
        self.steps = 0
        self.seconds = 0.0

    def stretch(self) -> int:
        """Return the number of steps to take before the next look at the stop request."""
        if not self.steps:
            return 1
        # The first steps say little about the speed of the rest, so stretches grow slowly.
        most = 2 * self.steps
        return max(1, min(most, int(_STRETCH_SECONDS * self.steps / self.seconds)))

    def learn(self, steps: int, seconds: float) -> None:
        """Take in the seconds that some steps took."""
        if not self.seconds_to_first_step:
            self.seconds_to_first_step = seconds_since_process_start()
            return
        self.steps += steps
        self.seconds += seconds


def seconds_since_process_start() -> float:
    """Return the seconds since the process started, or since this import if /proc is missing.

    The start is field 22 of https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html.
    """
    try:
        # The second field, the command's name, may contain blanks and brackets.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, AttributeError, IndexError, ValueError):
        return time.monotonic() - _IMPORTED
