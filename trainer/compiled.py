"""The fast path: whole epochs of a dense ReLU network in one XLA program.

The gradients are written out, the weights travel through the loop as values, and nothing leaves
the device until the loop ends: Python is asked once for a stretch of steps, not once a step.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from classes import digits_of
from cluster import cores
from compute import Progress
from data import Digits
from idx import CLASSES, PIXELS, Bytes
from model import PIXEL_SCALE, Floats, initial_weights
from settings import Settings

__all__ = ["CompiledPath"]

_EVALUATION_ROWS = 5000
# float32 numbers in the widest vector registers, AVX-512's.
_VECTOR = 16


class _Part(NamedTuple):
    """Neurons of the first layer, with all that only they are concerned with.

    Attributes:
        kernel: (lit pixels, neurons).
        bias: (neurons,).
        onward: (neurons, second layer): the rows of the second kernel that take their values.
    """

    kernel: Any
    bias: Any
    onward: Any


class _Weights(NamedTuple):
    """What travels through the loop.

    Attributes:
        parts: The first layer and the second kernel, in one part or two.
        bias: The second layer's.
        others: Kernels and biases in turns, from the third layer on.
    """

    parts: tuple[_Part, ...]
    bias: Any
    others: tuple[Any, ...]


class CompiledPath:
    """Trains a dense ReLU network by plain SGD on softmax cross-entropy.

    The images of an epoch are laid in its order before it begins, and pixels that are dark in all
    of them are left out of the first layer. That layer is computed in two halves where there are
    two cores or more: all three products of a half, and its update, wait for nothing of the
    other's, so that each core has work of its own and the cores meet only at the second layer.

    Args:
        settings: The network's widths, batch size and learning rate.
        digits: What to train with.
        parts: How many parts to compute the first layer in; None is as many as help.
    """

    name = "compiled path (XLA, explicit gradients, sgd)"

    def __init__(self, settings: Settings, digits: Digits, parts: int | None = None) -> None:
        self._lit = _lit_pixels(digits.images)
        self._parts = min(parts or _useful_parts(), settings.first_layer_neurons)
        self._weights: _Weights
        self._take(initial_weights(settings))
        self._images = tf.constant(digits.images.take(self._lit, axis=1))
        self._labels = tf.constant(digits.labels)
        self._shuffled = (self._images, self._labels)
        self._batch_size = settings.batch_size
        self._learning_rate = settings.learning_rate
        self._steps = tf.function(self._loop, jit_compile=True, autograph=False)
        self._classify = tf.function(
            lambda images, weights: digits_of(_outputs(_scaled(images), weights)),
            autograph=False,
            reduce_retracing=True,
        )

    def train(self, order: np.ndarray, progress: Progress, last: int) -> Progress:
        """Goes on with an epoch; see `ComputePath.train`."""
        if not progress.steps:
            # One copy an epoch is cheaper than to gather bytes for every batch.
            self._shuffled = tf.gather(self._images, order), tf.gather(self._labels, order)
        loss, correct, self._weights = self._steps(
            self._shuffled,
            tf.constant(progress.steps, tf.int32),
            tf.constant(last, tf.int32),
            tf.constant(progress.loss, tf.float32),
            tf.constant(progress.correct, tf.int32),
            self._weights,
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
        kernels, biases, onward = zip(*self._weights.parts, strict=True)
        kernel = self._first_kernel.copy()
        kernel[self._lit] = np.concatenate(kernels, axis=1)
        others = [weight.numpy() for weight in (self._weights.bias, *self._weights.others)]
        return [kernel, np.concatenate(biases), np.concatenate(onward), *others]

    def serving(self) -> Any:
        """A tf.Module whose `serve` turns pixels (count, 784) into probabilities (count, 10)."""
        return _Served(self.dense_weights())

    def _take(self, weights: Sequence[Floats]) -> None:
        self._first_kernel, first_bias, second_kernel, bias, *others = weights
        columns = np.array_split(np.arange(len(first_bias)), self._parts)
        lit = self._first_kernel[self._lit]
        self._weights = tf.nest.map_structure(
            tf.constant,
            _Weights(
                tuple(_Part(lit[:, own], first_bias[own], second_kernel[own]) for own in columns),
                bias,
                tuple(others),
            ),
        )

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
        weights: _Weights,
    ) -> tuple[tf.Tensor, tf.Tensor, _Weights]:
        images, labels = digits
        start = step * self._batch_size
        # Pixels stay bytes until here: a quarter of the memory to fetch them from.
        pixels = _scaled(tf.slice(images, [start, 0], [self._batch_size, len(self._lit)]))
        labels = tf.slice(labels, [start], [self._batch_size])
        hidden = [tf.nn.relu(pixels @ part.kernel + part.bias) for part in weights.parts]
        shares = [values @ part.onward for values, part in zip(hidden, weights.parts, strict=True)]
        layers = _layers(tf.add_n(shares) + weights.bias, weights.others)
        log_probabilities = tf.nn.log_softmax(layers[-1])
        truth = tf.one_hot(labels, CLASSES)
        loss -= tf.reduce_sum(log_probabilities * truth)
        hits = tf.equal(tf.argmax(layers[-1], 1, tf.int32), tf.cast(labels, tf.int32))
        correct += tf.reduce_sum(tf.cast(hits, tf.int32))
        error = (tf.exp(log_probabilities) - truth) / self._batch_size
        error, others = self._descended(weights.others, layers, error)
        parts = tuple(
            self._descended_part(part, pixels, values, error)
            for part, values in zip(weights.parts, hidden, strict=True)
        )
        return loss, correct, _Weights(parts, self._less(weights.bias, error), others)

    def _descended(
        self, weights: Sequence[Any], layers: Sequence[Any], error: Any
    ) -> tuple[Any, tuple[Any, ...]]:
        """Back-propagation, from the last layer to the second.

        Returns:
            The error of the second layer's sums, and the weights after it one SGD step further.
        """
        updated: list[Any] = []
        for number in reversed(range(len(weights) // 2)):
            kernel, bias = weights[2 * number : 2 * number + 2]
            updated[:0] = [
                self._less_product(kernel, layers[number], error),
                self._less(bias, error),
            ]
            error = tf.matmul(error, kernel, transpose_b=True) * _open_gates(layers[number])
        return error, tuple(updated)

    def _descended_part(self, part: _Part, pixels: Any, hidden: Any, error: Any) -> _Part:
        """A part of the first layer, one SGD step further."""
        own_error = tf.matmul(error, part.onward, transpose_b=True) * _open_gates(hidden)
        return _Part(
            self._less_product(part.kernel, pixels, own_error),
            self._less(part.bias, own_error),
            self._less_product(part.onward, hidden, error),
        )

    def _less_product(self, kernel: Any, inputs: Any, error: Any) -> Any:
        return kernel - self._learning_rate * tf.matmul(inputs, error, transpose_a=True)

    def _less(self, bias: Any, error: Any) -> Any:
        return bias - self._learning_rate * tf.reduce_sum(error, 0)


def _useful_parts() -> int:
    """Two where two cores compute; a GPU has enough to do with one."""
    return 1 if tf.config.list_physical_devices("GPU") else min(_threads(), 2)


def _threads() -> int:
    """How many threads TensorFlow computes an operation with, by the rules that it has for that."""
    asked_for = tf.config.threading.get_intra_op_parallelism_threads()
    named = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return asked_for or (int(named) if named.isdecimal() else 0) or cores()


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


def _open_gates(values: tf.Tensor) -> Any:
    """The derivative of ReLU: 1 where it let something through."""
    return tf.cast(values > 0, tf.float32)


def _layers(sums: tf.Tensor, weights: Sequence[tf.Tensor]) -> list[Any]:
    """The values of every layer, from a hidden one, given by its sums, to the logits."""
    layers: list[Any] = []
    for number in range(0, len(weights), 2):
        layers.append(tf.nn.relu(sums))
        sums = layers[-1] @ weights[number] + weights[number + 1]
    return [*layers, sums]


def _outputs(inputs: tf.Tensor, weights: Sequence[tf.Tensor]) -> Any:
    """The logits (count, 10)."""
    return _layers(inputs @ weights[0] + weights[1], weights[2:])[-1]


class _Served(tf.Module):  # type: ignore[misc]
    """The network as it is saved: pixels in, probabilities out."""

    def __init__(self, weights: Sequence[tf.Tensor]) -> None:
        super().__init__()
        self.weights = [tf.Variable(weight) for weight in weights]

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec((None, PIXELS), tf.float32, "pixels")], autograph=False
    )
    def serve(self, pixels: tf.Tensor) -> dict[str, Any]:
        return {"probabilities": tf.nn.softmax(_outputs(pixels * PIXEL_SCALE, self.weights))}
