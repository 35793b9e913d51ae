"""The training loop: epochs of compiled steps, and between them what people want to know."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from clock import seconds_since_process_start
from compute import ComputePath, Progress
from data import Digits, Split
from errors import SettingsError
from settings import Settings

__all__ = ["Epoch", "Pace", "TrainingLoop", "accuracy", "epoch_order"]

# A signal is heard only between two stretches of compiled steps.
_STRETCH_SECONDS = 0.5
_FIRST_STRETCH = 32


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

    Raises:
        SettingsError: The batch is larger than the training part.
    """

    def __init__(self, path: ComputePath, settings: Settings, digits: Split) -> None:
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

    def epochs(self) -> Iterator[Epoch]:
        """Trains, and yields after every epoch."""
        for number in range(1, self._settings.epochs + 1):
            start = time.perf_counter()
            progress = self._train(number)
            images = progress.steps * self._settings.batch_size
            metrics = {
                "loss": progress.loss / images,
                "training_acc": progress.correct / images,
                "validation_acc": accuracy(self._path, self._digits.validation),
            }
            yield Epoch(number, metrics, time.perf_counter() - start)

    def _train(self, number: int) -> Progress:
        count = len(self._digits.training)
        order = epoch_order(self._settings.seed, number, count)
        progress = Progress()
        for last in self.pace.stretches(count // self._settings.batch_size):
            progress = self._path.train(order, progress, last)
        return progress


def epoch_order(seed: int, number: int, count: int) -> np.ndarray:
    """The order in which an epoch sees the images: the same for the same seed and number."""
    random = np.random.default_rng([seed, 2, number])
    return random.permutation(count).astype(np.int32)


def accuracy(path: ComputePath, digits: Digits) -> float:
    """The share of digits that the network recognises."""
    return float(np.mean(path.predict(digits.images) == digits.labels))


class Pace:
    """Cuts epochs into stretches of steps, short enough to hear a signal in time.

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

    def stretches(self, steps: int) -> Iterator[int]:
        """The numbers of steps after which an epoch of so many steps pauses."""
        first = 0
        while first < steps:
            last = min(steps, first + self._length())
            start = time.perf_counter()
            yield last
            self._learn(last - first, time.perf_counter() - start)
            first = last

    def _length(self) -> int:
        if not self.seconds_to_first_step:
            return 1
        if not self.steps:
            return _FIRST_STRETCH
        return max(1, int(_STRETCH_SECONDS * self.steps / self.seconds))

    def _learn(self, steps: int, seconds: float) -> None:
        if not self.seconds_to_first_step:
            self.seconds_to_first_step = seconds_since_process_start()
            return
        self.steps += steps
        self.seconds += seconds
