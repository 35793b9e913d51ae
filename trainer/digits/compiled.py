"""The fast path: whole epochs of a dense ReLU network in one XLA program.

The gradients are written out, the weights travel through the loop as values, and nothing leaves
the device until the loop ends: Python is asked once for a stretch of steps, not once a step.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from digits.classes import digits_of
from digits.cluster import cores
from digits.compute import Progress
from digits.data import Digits
from digits.dense import Served, layers_from, outputs, scaled
from digits.idx import CLASSES, Bytes
from digits.model import Floats, initial_weights
from digits.settings import Settings
from digits.tiles import Tiles

_EVALUATION_ROWS = 5000


class _Part(NamedTuple):
    """Neurons of the first layer, with all that only they are concerned with.

    Attributes:
        kernels: (pixels, neurons) for each tile.
        bias: (neurons,).
        onward: (neurons, second layer): the rows of the second kernel that take their values.
    """

    kernels: tuple[Any, ...]
    bias: Any
    onward: Any


class _Weights(NamedTuple):
    """What is learned.

    Attributes:
        parts: The first layer and the second kernel, in one part or two.
        bias: The second layer's.
        others: Kernels and biases in turns, from the third layer on.
    """

    parts: tuple[_Part, ...]
    bias: Any
    others: tuple[Any, ...]


class _Epoch(NamedTuple):
    """An epoch's digits in the order of its batches.

    Attributes:
        images: (batches, rows, pixels) bytes for each tile.
        labels: (batches, batch).
    """

    images: tuple[Any, ...]
    labels: Any


class _Learned(NamedTuple):
    """Sums over the images of an epoch so far, as in `Progress`, and the weights."""

    loss: Any
    correct: Any
    weights: _Weights


class _Seen(NamedTuple):
    """What the first layer has made of a batch.

    Attributes:
        pixels: (rows, pixels) for each tile, from 0 to 1.
        values: (batch, neurons) for each part, after ReLU.
        shares: (batch, second layer) for each part: what it adds to the second layer's sums.
    """

    pixels: tuple[Any, ...]
    values: tuple[Any, ...]
    shares: tuple[Any, ...]


class CompiledPath:
    """Trains a dense ReLU network by plain SGD on softmax cross-entropy.

    The images of an epoch are laid in its order before it begins, and pixels that are dark in all
    images of a tile are left out of the first layer, see `Tiles`. That layer is computed in two
    halves where there are two cores or more: a half's gradient, its update and what it makes of the
    next batch wait for nothing of the other's, so that each core has work of its own and the cores
    meet only at the second layer.

    Args:
        settings: The network's widths, batch size and learning rate.
        digits: What to train with.
        parts: How many parts to compute the first layer in; None is as many as help.
    """

    name = "compiled path (XLA, explicit gradients, sgd)"

    def __init__(self, settings: Settings, digits: Digits, parts: int | None = None) -> None:
        self._batch_size = settings.batch_size
        self._learning_rate = settings.learning_rate
        self._parts = min(parts or _useful_parts(), settings.first_layer_neurons)
        self._tiles = Tiles(digits.images, self._batch_size, whole=_has_gpu())
        self._weights: _Weights
        self._take(initial_weights(settings))
        self._images = [tf.constant(digits.images.take(own, axis=1)) for own in self._tiles.pixels]
        self._labels = tf.constant(digits.labels)
        self._epoch: _Epoch
        self._steps = tf.function(self._loop, jit_compile=True, autograph=False)
        self._classify = tf.function(
            lambda images, weights: digits_of(outputs(scaled(images), weights)),
            autograph=False,
            reduce_retracing=True,
        )

    def train(self, order: np.ndarray, progress: Progress, last: int) -> Progress:
        """Goes on with an epoch; see `ComputePath.train`."""
        if not progress.steps:
            self._epoch = self._laid_out(self._tiles.batches(order))
        loss, correct, self._weights = self._steps(
            self._epoch,
            tf.constant(progress.steps, tf.int32),
            tf.constant(last, tf.int32),
            _Learned(
                tf.constant(progress.loss, tf.float32),
                tf.constant(progress.correct, tf.int32),
                self._weights,
            ),
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
        for number, pixels in enumerate(self._tiles.pixels):
            kernel[pixels] = np.concatenate([tiles[number] for tiles in kernels], axis=1)
        others = [weight.numpy() for weight in (self._weights.bias, *self._weights.others)]
        return [kernel, np.concatenate(biases), np.concatenate(onward), *others]

    def serving(self) -> Any:
        """A tf.Module whose `serve` turns pixels (count, 784) into probabilities (count, 10)."""
        return Served(self.dense_weights())

    def _take(self, weights: Sequence[Floats]) -> None:
        self._first_kernel, first_bias, second_kernel, bias, *others = weights
        tiles = [self._first_kernel[pixels] for pixels in self._tiles.pixels]
        parts = [
            _Part(tuple(tile[:, own] for tile in tiles), first_bias[own], second_kernel[own])
            for own in np.array_split(np.arange(len(first_bias)), self._parts)
        ]
        self._weights = tf.nest.map_structure(
            tf.constant, _Weights(tuple(parts), bias, tuple(others))
        )

    def _laid_out(self, batches: np.ndarray) -> _Epoch:
        # One copy is cheaper than to gather bytes for every batch.
        images = [
            tf.gather(tile, batches[:, :rows])
            for tile, rows in zip(self._images, self._tiles.rows_for(batches), strict=True)
        ]
        return _Epoch(tuple(images), tf.gather(self._labels, batches))

    def _loop(self, epoch: _Epoch, first: tf.Tensor, last: tf.Tensor, learned: _Learned) -> Any:
        def is_left(step: tf.Tensor, *_: Any) -> tf.Tensor:
            return step < last

        def look(step: tf.Tensor, learned: _Learned) -> _Seen:
            return self._look(epoch, step, learned.weights.parts)

        def step_on(step: tf.Tensor, learned: _Learned) -> Any:
            return step + 1, self._step(epoch, step, look(step, learned), learned)

        def step_ahead(step: tf.Tensor, learned: _Learned, seen: _Seen) -> Any:
            # The next batch is looked at in this step, where neither core waits for the other.
            learned = self._step(epoch, step, seen, learned)
            return step + 1, learned, look(step + 1, learned)

        # With one tile XLA spreads each product over the cores: they have enough to do as it is.
        if len(epoch.images) == 1:
            return tf.while_loop(is_left, step_on, (first, learned))[1]
        return tf.while_loop(is_left, step_ahead, (first, learned, look(first, learned)))[1]

    def _look(self, epoch: _Epoch, step: tf.Tensor, parts: Sequence[_Part]) -> _Seen:
        """What the first layer makes of a step's batch."""
        pixels = tuple(scaled(_at(tile, step)) for tile in epoch.images)
        values = tuple(tf.nn.relu(self._sums(pixels, part)) for part in parts)
        shares = tuple(own @ part.onward for own, part in zip(values, parts, strict=True))
        return _Seen(pixels, values, shares)

    def _sums(self, pixels: Sequence[Any], part: _Part) -> Any:
        products = [tile @ kernel for tile, kernel in zip(pixels, part.kernels, strict=True)]
        # Images that come later in the batch are dark in that tile.
        missing = [self._batch_size - product.shape[0] for product in products]
        return part.bias + tf.add_n(
            [
                tf.pad(product, [[0, rows], [0, 0]])
                for product, rows in zip(products, missing, strict=True)
            ]
        )

    def _step(self, epoch: _Epoch, step: tf.Tensor, seen: _Seen, learned: _Learned) -> _Learned:
        """What is learned from a step's batch."""
        loss, correct, weights = learned
        labels = _at(epoch.labels, step)
        layers = layers_from(tf.add_n(seen.shares) + weights.bias, weights.others)
        log_probabilities = tf.nn.log_softmax(layers[-1])
        truth = tf.one_hot(labels, CLASSES)
        loss -= tf.reduce_sum(log_probabilities * truth)
        hits = tf.equal(tf.argmax(layers[-1], 1, tf.int32), tf.cast(labels, tf.int32))
        correct += tf.reduce_sum(tf.cast(hits, tf.int32))
        error = (tf.exp(log_probabilities) - truth) / self._batch_size
        error, others = self._descended(weights.others, layers, error)
        parts = tuple(
            self._descended_part(part, seen.pixels, values, error)
            for part, values in zip(weights.parts, seen.values, strict=True)
        )
        return _Learned(loss, correct, _Weights(parts, self._less(weights.bias, error), others))

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

    def _descended_part(self, part: _Part, pixels: Sequence[Any], values: Any, error: Any) -> _Part:
        """A part of the first layer, one SGD step further."""
        own_error = tf.matmul(error, part.onward, transpose_b=True) * _open_gates(values)
        kernels = [
            self._less_product(kernel, tile, own_error[: tile.shape[0]])
            for kernel, tile in zip(part.kernels, pixels, strict=True)
        ]
        return _Part(
            tuple(kernels),
            self._less(part.bias, own_error),
            self._less_product(part.onward, values, error),
        )

    def _less_product(self, kernel: Any, inputs: Any, error: Any) -> Any:
        return kernel - self._learning_rate * tf.matmul(inputs, error, transpose_a=True)

    def _less(self, bias: Any, error: Any) -> Any:
        return bias - self._learning_rate * tf.reduce_sum(error, 0)


def _has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


def _useful_parts() -> int:
    """Two where two cores compute; a GPU has enough to do with one."""
    return 1 if _has_gpu() else min(_threads(), 2)


def _threads() -> int:
    """How many threads TensorFlow computes an operation with, by the rules that it has for that."""
    asked_for = tf.config.threading.get_intra_op_parallelism_threads()
    named = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return asked_for or (int(named) if named.isdecimal() else 0) or cores()


def _at(batches: tf.Tensor, step: tf.Tensor) -> Any:
    """A step's batch; the last one where there are no more, since XLA keeps indices within."""
    # tf.slice would have the program compiled anew for each step that a stretch can begin with.
    return tf.gather(batches, step)


def _open_gates(values: tf.Tensor) -> Any:
    """The derivative of ReLU: 1 where it let something through."""
    return tf.cast(values > 0, tf.float32)
