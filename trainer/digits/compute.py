"""Ways to compute a network: what the training loop asks of each, and which one a run takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from digits import CLASSES, PIXEL_SCALE, PIXELS
from digits.data import Bytes, Digits
from digits.settings import Settings

Floats = npt.NDArray[np.float32]

#: The prediction for an image whose logits are not finite.
UNSEEN = -1


@dataclass(frozen=True)
class Progress:
    """The state of an epoch after some of its steps.

    Attributes:
        steps: Number of steps taken.
        loss: Sum of the images' losses, each computed before the step that learned from it. The
            sum is carried in float32 from step to step. So the result does not depend on where an
            epoch is cut into stretches.
        correct: Number of images that were recognised, counted in the same way.
    """

    steps: int = 0
    loss: float = 0.0
    correct: int = 0


class ComputePath(Protocol):
    """A network in training. Images are (count, 784) pixels from 0 to 255 everywhere."""

    name: str

    def train(self, order: np.ndarray, progress: Progress, last: int) -> Progress:
        """Continue an epoch.

        Args:
            order: (images,), int32: the order in which this epoch sees the images.
            progress: The state of the epoch so far.
            last: Number of steps that the epoch has taken when this returns.
        """

    def predict(self, images: Bytes) -> np.ndarray:
        """Return the digit in each image, `UNSEEN` where the logits are not finite."""

    def state(self) -> dict[str, np.ndarray]:
        """Return weights and optimiser variables by name, for a checkpoint."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Load what `state` returned, in this process or another."""

    def dense_weights(self) -> list[Floats] | None:
        """Return kernels and biases in turns; None if the network is not dense ReLU layers."""

    def serving(self) -> Any:
        """Return a tf.Module; its `serve` maps pixels to {"probabilities": (count, 10)}."""


def choose_path(settings: Settings, digits: Digits, strategy: Any) -> ComputePath:
    """Return the compiled path where it applies, else the general path.

    Args:
        settings: The network and the optimiser.
        digits: The digits to train with.
        strategy: TensorFlow's strategy for several devices; None for one device.
    """
    # The imports stand here because the general path imports Keras, which takes a second.
    if settings.is_dense_sgd and strategy is None:
        from digits.compiled import CompiledPath  # noqa: PLC0415

        return CompiledPath(settings, digits)

    from digits.general import GeneralPath  # noqa: PLC0415

    return GeneralPath(settings, digits, strategy)


def initial_weights(settings: Settings) -> list[Floats]:
    """Draw the dense network's first weights: Glorot uniform, biases 0.

    Keras's Dense layer has the same rule: https://proceedings.mlr.press/v9/glorot10a.html

    Returns:
        For each layer its kernel (inputs, outputs) and its bias (outputs,), in turns.
    """
    random = np.random.default_rng([settings.seed, 1])
    sizes = (PIXELS, settings.first_layer_neurons, settings.second_layer_neurons, CLASSES)
    weights = []
    for inputs, outputs in pairwise(sizes):
        limit = np.sqrt(6 / (inputs + outputs))
        kernel = random.uniform(-limit, limit, (inputs, outputs)).astype(np.float32)
        weights += [kernel, np.zeros(outputs, np.float32)]
    return weights


def scaled(images: tf.Tensor) -> Any:
    """Return bytes as numbers from 0 to 1."""
    return tf.cast(images, tf.float32) * PIXEL_SCALE


def digits_of(logits: tf.Tensor) -> Any:
    """Return the digit of each row of logits (count, 10), `UNSEEN` where they are not finite."""
    is_finite = tf.reduce_all(tf.math.is_finite(logits), 1)
    return tf.where(is_finite, tf.argmax(logits, 1), UNSEEN)
