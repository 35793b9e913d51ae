"""The interface of a compute path, and functions that both compute paths use.

A *compute path* is code that trains a network and predicts with the network. The training loop
uses both compute paths through the class `ComputePath`. The compiled path (`compiled.py`) is fast,
but trains only dense networks with plain SGD. The general path (`general.py`) trains any Keras
network. `choose_path` in `run.py` chooses the compute path of a run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from digits import CLASSES, PIXEL_SCALE, PIXELS
from digits.data import Bytes
from digits.settings import Settings

Floats = npt.NDArray[np.float32]

#: The prediction for an image whose logits are not finite.
UNSEEN = -1


@dataclass(frozen=True)
class Progress:
    """The state of an epoch after some of its steps.

    Attributes:
        steps: Number of steps so far.
        loss: Sum of the losses of all images so far. The loss of an image is computed before the
            weights learn from this image. Each call of `train` continues the sum in float32.
            Therefore the sum does not depend on how the epoch is divided into calls of `train`.
        correct: Number of images recognised so far. The network predicts each image before its
            weights learn from this image.
    """

    steps: int = 0
    loss: float = 0.0
    correct: int = 0


class ComputePath(Protocol):
    """A network in training. In all methods, images are (count, 784) pixels from 0 to 255."""

    name: str

    def train(self, order: np.ndarray, progress: Progress, last: int) -> Progress:
        """Train for some steps of an epoch, and return the new state of the epoch.

        Args:
            order: Indices of the images in the order in which the epoch sees them, (images,) int32.
            progress: The state of the epoch so far.
            last: The number of steps of the epoch after this call. The call takes
                `last - progress.steps` steps.
        """

    def predict(self, images: Bytes) -> np.ndarray:
        """Return the digit in each image, or `UNSEEN` if the logits of the image are not finite."""

    def state(self) -> dict[str, np.ndarray]:
        """Return the weights and optimiser variables by name, for a checkpoint."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Load the arrays that `state` returned, in this process or in an earlier process."""

    def dense_weights(self) -> list[Floats] | None:
        """Return the kernel and then the bias of each layer; None if the network is not dense."""

    def serving(self) -> Any:
        """Return the tf.Module to export.

        The function `serve` of the module maps pixels (count, 784) to a dictionary. The key
        `probabilities` holds an array (count, 10).
        """


def initial_weights(settings: Settings) -> list[Floats]:
    """Return the initial weights of the dense network.

    Kernels are drawn from Glorot's uniform distribution, and biases are 0, as in Keras's Dense
    layer: https://proceedings.mlr.press/v9/glorot10a.html

    Returns:
        The kernel (inputs, outputs) and then the bias (outputs,) of each layer.
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
    """Return pixels from 0 to 255 as float32 numbers from 0 to 1."""
    return tf.cast(images, tf.float32) * PIXEL_SCALE


def digits_of(logits: tf.Tensor) -> Any:
    """Return the digit of each row of logits (count, 10), or `UNSEEN` if a logit is not finite."""
    is_finite = tf.reduce_all(tf.math.is_finite(logits), 1)
    return tf.where(is_finite, tf.argmax(logits, 1), UNSEEN)
