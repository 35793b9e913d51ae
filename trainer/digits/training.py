"""The training loop: epochs of compiled steps, and between them what people want to know."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from digits.clock import seconds_since_process_start
from digits.cluster import Cluster
from digits.compute import UNSEEN, ComputePath, Progress
from digits.data import Split
from digits.errors import DivergedError, SettingsError, Stopped
from digits.settings import Settings
from digits.stopping import StopRequest

# A signal is heard only between two stretches of compiled steps.
_STRETCH_SECONDS = 0.5


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to.

    Attributes:
        number: From 1.
        metrics: `loss`, `training_acc` (both from the forward passes of the training itself) and
            `validation_acc`.
        seconds: Wall time of training and validation.
    """

    number: int
    metrics: dict[str, float]
    seconds: float


class TrainingLoop:
    """Trains a network, epoch by epoch.

    Each epoch sees the training images in a fresh order; those that do not fill a last batch are
    left out of it, other ones each time.

    Args:
        path: The network, and how it is computed.
        settings: Batch size, epochs, seed.
        digits: What to train and to validate with.
        cluster: The workers that train together.
        stop: Asked between two stretches of steps.

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
        """Trains, and yields after every epoch.

        Args:
            done: How many epochs lie behind already.

        Raises:
            DivergedError: The loss, or an output, is no number any more.
            Stopped: SIGTERM came, to this worker or to a colleague.
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
            # Workers must agree on both, or one would wait for the others for ever.
            seconds, stop = self._cluster.mean([taken, float(self.stop.is_set)])
            self.pace.learn(last - progress.steps, seconds)
            progress = further
            if not math.isfinite(progress.loss):
                raise self._diverged(number, f"the loss became {progress.loss}")
            # An epoch that is through is kept.
            self._is_stopping = bool(stop)
            if stop and progress.steps < steps:
                raise Stopped(f"stopped by SIGTERM in epoch {number}")
        return progress

    def _validation_accuracy(self, number: int) -> float:
        seen = self._path.predict(self._digits.validation.images)
        # The losses were all taken before the last step changed the weights.
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
    """The order in which an epoch sees the images: the same for the same seed and number."""
    random = np.random.default_rng([seed, 2, number])
    return random.permutation(count).astype(np.int32)


class Pace:
    """How fast the steps go, and so how many fit in a stretch.

    Attributes:
        seconds_to_first_step: From the process's start to the end of the first step, which waits
            for the compiler and so is a stretch of its own.
        steps: How many steps were taken after it,
        seconds: and how long they took.
    """

    def __init__(self) -> None:
        self.seconds_to_first_step = 0.0
        self.steps = 0
        self.seconds = 0.0

    def stretch(self) -> int:
        """How many steps to take before looking up."""
        if not self.steps:
            return 1
        # Nobody knows yet how long the first steps of a large network take.
        most = 2 * self.steps
        return max(1, min(most, int(_STRETCH_SECONDS * self.steps / self.seconds)))

    def learn(self, steps: int, seconds: float) -> None:
        """Notes how long some steps took."""
        if not self.seconds_to_first_step:
            self.seconds_to_first_step = seconds_since_process_start()
            return
        self.steps += steps
        self.seconds += seconds
