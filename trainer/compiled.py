"""The fast path: whole epochs of a dense ReLU network in one XLA program.

The gradients are written out, the weights travel through the loop as values, and nothing leaves
the device until the loop ends: Python is asked once for a stretch of steps, not once a step.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from classes import digits_of
from compute import Progress
from data import Digits
from idx import CLASSES, PIXELS, Bytes
from model import PIXEL_SCALE, Floats, initial_weights
from settings import Settings

__all__ = ["CompiledPath"]

_EVALUATION_ROWS = 2000
# float32 numbers in the widest vector registers, AVX-512's.
_VECTOR = 16


class CompiledPath:
    """Trains a dense ReLU network by plain SGD on softmax cross-entropy.

    The images of an epoch are laid in its order before it begins, and pixels that are dark in all
    of them are left out of the first layer.

    Args:
        settings: The network's widths, batch size and learning rate.
        digits: What to train with.
    """

    name = "compiled path (XLA, explicit gradients, sgd)"

    def __init__(self, settings: Settings, digits: Digits) -> None:
        self._lit = _lit_pixels(digits.images)
        self._weights: list[Any] = []
        self._take(initial_weights(settings))
        self._images = tf.constant(digits.images.take(self._lit, axis=1))
        self._labels = tf.constant(digits.labels)
        self._shuffled = (self._images, self._labels)
        self._batch_size = settings.batch_size
        self._learning_rate = settings.learning_rate
        self._steps = tf.function(self._loop, jit_compile=True, autograph=False)
        self._classify = tf.function(
            lambda images, weights: digits_of(_layers(_scaled(images), weights)[-1]),
            autograph=False,
            reduce_retracing=True,
        )

    def train(self, order: np.ndarray, progress: Progress, last: int) -> Progress:
        """Goes on with an epoch; see `ComputePath.train`."""
        if not progress.steps:
            # One copy an epoch is cheaper than to gather bytes for every batch.
            self._shuffled = tf.gather(self._images, order), tf.gather(self._labels, order)
        loss, correct, *self._weights = self._steps(
            self._shuffled,
            tf.constant(progress.steps, tf.int32),
            tf.constant(last, tf.int32),
            tf.constant(progress.loss, tf.float32),
            tf.constant(progress.correct, tf.int32),
            *self._weights,
        )
        return Progress(last, float(loss), int(correct))

    def predict(self, images: Bytes) -> np.ndarray:
        """The digits that the network sees in (count, 784) pixels; see `ComputePath.predict`."""
        weights = [tf.constant(weight) for weight in self.dense_weights()]
        parts = [
            self._classify(tf.constant(images[start : start + _EVALUATION_ROWS]), weights)
            for start in range(0, len(images), _EVALUATION_ROWS)
        ]
        return np.concatenate([part.numpy() for part in parts])

    def state(self) -> dict[str, np.ndarray]:
        """The weights, by name; plain SGD remembers nothing else."""
        return {f"weight_{i}": weight for i, weight in enumerate(self.dense_weights())}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes over what `state` gave."""
        self._take([state[f"weight_{i}"] for i in range(len(state))])

    def dense_weights(self) -> list[Floats]:
        """Kernels and biases in turns, as they are now."""
        first, *others = (weight.numpy() for weight in self._weights)
        kernel = self._first_kernel.copy()
        kernel[self._lit] = first
        return [kernel, *others]

    def serving(self) -> Any:
        """A tf.Module whose `serve` turns pixels (count, 784) into probabilities (count, 10)."""
        return _Served(self.dense_weights())

    def mean(self, values: list[float]) -> list[float]:
        """The values themselves: this path has no colleagues."""
        return values

    def _take(self, weights: Sequence[Floats]) -> None:
        self._first_kernel, *others = weights
        carried = [self._first_kernel[self._lit], *others]
        self._weights = [tf.constant(weight) for weight in carried]

    def _loop(self, digits: Any, first: tf.Tensor, last: tf.Tensor, *carried: Any) -> Any:
        _, *results = tf.while_loop(
            lambda step, *_: step < last,
            lambda step, *carried: (step + 1, *self._step(digits, step, *carried)),
            (first, *carried),
        )
        return results

    def _step(
        self,
        digits: tuple[tf.Tensor, tf.Tensor],
        step: tf.Tensor,
        loss: tf.Tensor,
        correct: tf.Tensor,
        *weights: tf.Tensor,
    ) -> Any:
        images, labels = digits
        start = step * self._batch_size
        # Pixels stay bytes until here: a quarter of the memory to fetch them from.
        pixels = tf.slice(images, [start, 0], [self._batch_size, len(self._lit)])
        labels = tf.slice(labels, [start], [self._batch_size])
        layers = _layers(_scaled(pixels), weights)
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


def _lit_pixels(images: Bytes) -> np.ndarray:
    """The pixels that the first layer has to be computed for: those that ever differ from 0.

    A pixel that is 0 in every training image adds nothing to a sum and gets no gradient; in MNIST
    that is one in twelve. Filled up with others to a whole number of vector registers.
    """
    is_lit = np.asarray(images.any(axis=0))
    fill = -int(is_lit.sum()) % _VECTOR
    is_lit[np.flatnonzero(~is_lit)[:fill]] = True
    return np.flatnonzero(is_lit)


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
