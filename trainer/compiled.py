"""The fast path: whole epochs of a dense ReLU network in one XLA program.

The gradients are written out, the weights travel through the loop as values, and nothing leaves
the device until the loop ends: Python is asked once for a stretch of steps, not once a step.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from compute import Progress
from data import Digits
from idx import CLASSES, PIXELS, Bytes
from model import PIXEL_SCALE, Floats, initial_weights
from settings import Settings

__all__ = ["CompiledPath"]

_EVALUATION_ROWS = 2000


class CompiledPath:
    """Trains a dense ReLU network by plain SGD on softmax cross-entropy.

    Args:
        settings: The network's widths, batch size and learning rate.
        digits: What to train with.
    """

    name = "compiled path (XLA, explicit gradients, sgd)"

    def __init__(self, settings: Settings, digits: Digits) -> None:
        self._weights = [tf.constant(weight) for weight in initial_weights(settings)]
        self._images = tf.constant(digits.images)
        self._labels = tf.constant(digits.labels)
        self._batch_size = settings.batch_size
        self._learning_rate = settings.learning_rate
        self._steps = tf.function(self._loop, jit_compile=True, autograph=False)
        self._classify = tf.function(
            lambda images, weights: tf.argmax(_layers(_scaled(images), weights)[-1], 1),
            autograph=False,
            reduce_retracing=True,
        )

    def train(self, order: np.ndarray, progress: Progress, last: int) -> Progress:
        """Goes on with an epoch; see `ComputePath.train`."""
        loss, correct, *self._weights = self._steps(
            tf.constant(order),
            tf.constant(progress.steps, tf.int32),
            tf.constant(last, tf.int32),
            tf.constant(progress.loss, tf.float32),
            tf.constant(progress.correct, tf.int32),
            *self._weights,
        )
        return Progress(last, float(loss), int(correct))

    def predict(self, images: Bytes) -> np.ndarray:
        """The digits that the network sees in (count, 784) pixels."""
        parts = [
            self._classify(tf.constant(images[start : start + _EVALUATION_ROWS]), self._weights)
            for start in range(0, len(images), _EVALUATION_ROWS)
        ]
        return np.concatenate([part.numpy() for part in parts])

    def state(self) -> dict[str, np.ndarray]:
        """The weights, by name; plain SGD remembers nothing else."""
        return {f"weight_{i}": weight.numpy() for i, weight in enumerate(self._weights)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes over what `state` gave."""
        self._weights = [tf.constant(state[f"weight_{i}"]) for i in range(len(self._weights))]

    def dense_weights(self) -> list[Floats]:
        """Kernels and biases in turns, as they are now."""
        return [weight.numpy() for weight in self._weights]

    def serving(self) -> Any:
        """A tf.Module whose `serve` turns pixels (count, 784) into probabilities (count, 10)."""
        return _Served(self._weights)

    def mean(self, values: list[float]) -> list[float]:
        """The values themselves: this path has no colleagues."""
        return values

    def _loop(self, order: tf.Tensor, first: tf.Tensor, last: tf.Tensor, *carried: Any) -> Any:
        _, *results = tf.while_loop(
            lambda step, *_: step < last,
            lambda step, *carried: (step + 1, *self._step(order, step, *carried)),
            (first, *carried),
        )
        return results

    def _step(
        self,
        order: tf.Tensor,
        step: tf.Tensor,
        loss: tf.Tensor,
        correct: tf.Tensor,
        *weights: tf.Tensor,
    ) -> Any:
        rows = tf.slice(order, [step * self._batch_size], [self._batch_size])
        # Pixels are kept as bytes: a quarter of the memory to gather from.
        images, labels = tf.gather(self._images, rows), tf.gather(self._labels, rows)
        layers = _layers(_scaled(images), weights)
        log_probabilities = tf.nn.log_softmax(layers[-1])
        truth = tf.one_hot(labels, CLASSES)
        loss -= tf.reduce_sum(log_probabilities * truth)
        hits = tf.equal(tf.argmax(layers[-1], 1, tf.int32), tf.cast(labels, tf.int32))
        correct += tf.reduce_sum(tf.cast(hits, tf.int32))
        error = (tf.exp(log_probabilities) - truth) / self._batch_size
        return loss, correct, *self._descended(weights, layers, error)

    def _descended(self, weights: Sequence[Any], layers: Sequence[Any], error: Any) -> list[Any]:
        """The weights one SGD step further: back-propagation, from the last layer to the first."""
        updated: list[Any] = []
        for number in reversed(range(len(weights) // 2)):
            kernel, bias = weights[2 * number : 2 * number + 2]
            kernel_gradient = tf.matmul(layers[number], error, transpose_a=True)
            bias_gradient = tf.reduce_sum(error, 0)
            updated[:0] = [
                kernel - self._learning_rate * kernel_gradient,
                bias - self._learning_rate * bias_gradient,
            ]
            if number:
                open_gates = tf.cast(layers[number] > 0, tf.float32)
                error = tf.matmul(error, kernel, transpose_b=True) * open_gates
        return updated


def _scaled(images: tf.Tensor) -> Any:
    return tf.cast(images, tf.float32) * PIXEL_SCALE


def _layers(inputs: tf.Tensor, weights: Sequence[tf.Tensor]) -> list[Any]:
    """The values of every layer, from the input to the logits (count, 10)."""
    layers = [inputs]
    for number in range(0, len(weights), 2):
        outputs = layers[-1] @ weights[number] + weights[number + 1]
        is_last = number + 2 == len(weights)
        layers.append(outputs if is_last else tf.nn.relu(outputs))
    return layers


class _Served(tf.Module):  # type: ignore[misc]
    """The network as it is saved: pixels in, probabilities out."""

    def __init__(self, weights: Sequence[tf.Tensor]) -> None:
        super().__init__()
        self.weights = [tf.Variable(weight) for weight in weights]

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec((None, PIXELS), tf.float32, "pixels")], autograph=False
    )
    def serve(self, pixels: tf.Tensor) -> dict[str, Any]:
        return {"probabilities": tf.nn.softmax(_layers(pixels * PIXEL_SCALE, self.weights)[-1])}
