"""The compiled path: whole epochs of a dense ReLU network in one XLA program.

The gradients are written out, and the loop passes the weights on as values. Nothing leaves the
device until the loop ends: Python runs once for a stretch of steps, not once for each step.

This file holds forward and backward pass together: both depend on the same layout of the weights.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from digits import CLASSES, PIXEL_SCALE, PIXELS
from digits.cluster import cores
from digits.compute import Floats, Progress, digits_of, initial_weights, scaled
from digits.data import Bytes, Digits
from digits.settings import Settings
from digits.tiles import Tiles

#: Images in one call of the network, to bound the memory of predictions.
_EVALUATION_ROWS = 5000


class _Part(NamedTuple):
    """Some neurons of the first layer, with all weights that only they use.

    Attributes:
        kernels: (pixels, neurons) for each tile.
        bias: (neurons,).
        onward: (neurons, second layer): their rows of the second kernel.
    """

    kernels: tuple[Any, ...]
    bias: Any
    onward: Any


class _Weights(NamedTuple):
    """The weights in training.

    Attributes:
        parts: The first layer and the second kernel, in one part or two.
        bias: The bias of the second layer.
        others: Kernels and biases in turns, from the third layer on.
    """

    parts: tuple[_Part, ...]
    bias: Any
    others: tuple[Any, ...]


class _Epoch(NamedTuple):
    """The digits of an epoch in the order of its batches.

    Attributes:
        images: (batches, rows, pixels) bytes for each tile.
        labels: (batches, batch).
    """

    images: tuple[Any, ...]
    labels: Any


class _Learned(NamedTuple):
    """The sums of `Progress` over the epoch so far, and the weights."""

    loss: Any
    correct: Any
    weights: _Weights


class _Seen(NamedTuple):
    """The output of the first layer for a batch.

    Attributes:
        pixels: (rows, pixels) for each tile, from 0 to 1.
        values: (batch, neurons) for each part, after ReLU.
        shares: (batch, second layer) for each part: its summand of the second layer's sums.
    """

    pixels: tuple[Any, ...]
    values: tuple[Any, ...]
    shares: tuple[Any, ...]


class CompiledPath:
    """A dense ReLU network that is trained by plain SGD on softmax cross-entropy.

    Before an epoch begins, its images are laid out in the epoch's order. Pixels that are dark in
    all images of a tile are left out of the first layer, see `Tiles`.

    Where there are two cores or more, the first layer is computed in two halves. A half's gradient,
    its update and its output for the next batch need nothing of the other half. So each core has
    separate work, and the cores wait for each other only at the second layer.

    Args:
        settings: The network's widths, batch size and learning rate.
        digits: The digits to train with.
        parts: Number of parts of the first layer; None chooses the fastest number.
    """

    name = "compiled path (XLA, explicit gradients, sgd)"

    def __init__(self, settings: Settings, digits: Digits, parts: int | None = None) -> None:
        self._batch_size = settings.batch_size
        self._learning_rate = settings.learning_rate
        self._parts = min(parts or _useful_parts(), settings.first_layer_neurons)
        self._tiles = Tiles(digits.images, self._batch_size, whole=_has_gpu())
        self._weights: _Weights
        self._load(initial_weights(settings))
        self._images = [tf.constant(digits.images.take(own, axis=1)) for own in self._tiles.pixels]
        self._labels = tf.constant(digits.labels)
        self._epoch: _Epoch
        self._steps = tf.function(self._loop, jit_compile=True, autograph=False)
        self._classify = tf.function(
            lambda images, weights: digits_of(_logits(scaled(images), weights)),
            autograph=False,
            reduce_retracing=True,
        )

    def train(self, order: np.ndarray, progress: Progress, last: int) -> Progress:
        """Continue an epoch; see `ComputePath.train`."""
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
        """Return the digit in each image; see `ComputePath.predict`."""
        weights = [tf.constant(weight) for weight in self.dense_weights()]
        parts = [
            self._classify(tf.constant(images[start : start + _EVALUATION_ROWS]), weights)
            for start in range(0, len(images), _EVALUATION_ROWS)
        ]
        return np.concatenate([part.numpy() for part in parts])

    def state(self) -> dict[str, np.ndarray]:
        """Return the weights by name; plain SGD has no other variables."""
        return {f"weight_{i}": weight for i, weight in enumerate(self.dense_weights())}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Load what `state` returned."""
        self._load([state[f"weight_{i}"] for i in range(len(state))])

    def dense_weights(self) -> list[Floats]:
        """Return the present kernels and biases in turns."""
        kernels, biases, onward = zip(*self._weights.parts, strict=True)
        kernel = self._first_kernel.copy()
        for number, pixels in enumerate(self._tiles.pixels):
            kernel[pixels] = np.concatenate([tiles[number] for tiles in kernels], axis=1)
        others = [weight.numpy() for weight in (self._weights.bias, *self._weights.others)]
        return [kernel, np.concatenate(biases), np.concatenate(onward), *others]

    def serving(self) -> Any:
        """Return a tf.Module; its `serve` maps pixels (count, 784) to probabilities."""
        return _Served(self.dense_weights())

    def _load(self, weights: Sequence[Floats]) -> None:
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
        # One copy for the epoch costs less than gathering bytes for every batch.
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
            # The first layer looks at the next batch in this step, while no core waits for another.
            learned = self._step(epoch, step, seen, learned)
            return step + 1, learned, look(step + 1, learned)

        # With one tile, XLA spreads each product over the cores. Looking ahead would gain nothing.
        if len(epoch.images) == 1:
            return tf.while_loop(is_left, step_on, (first, learned))[1]
        return tf.while_loop(is_left, step_ahead, (first, learned, look(first, learned)))[1]

    def _look(self, epoch: _Epoch, step: tf.Tensor, parts: Sequence[_Part]) -> _Seen:
        """Return the output of the first layer for a step's batch."""
        pixels = tuple(scaled(_at(tile, step)) for tile in epoch.images)
        values = tuple(tf.nn.relu(self._sums(pixels, part)) for part in parts)
        shares = tuple(own @ part.onward for own, part in zip(values, parts, strict=True))
        return _Seen(pixels, values, shares)

    def _sums(self, pixels: Sequence[Any], part: _Part) -> Any:
        products = [tile @ kernel for tile, kernel in zip(pixels, part.kernels, strict=True)]
        # The batch's remaining images are dark in that tile, so their products are 0.
        missing = [self._batch_size - product.shape[0] for product in products]
        return part.bias + tf.add_n(
            [
                tf.pad(product, [[0, rows], [0, 0]])
                for product, rows in zip(products, missing, strict=True)
            ]
        )

    def _step(self, epoch: _Epoch, step: tf.Tensor, seen: _Seen, learned: _Learned) -> _Learned:
        """Return loss, hits and weights after a step's batch."""
        loss, correct, weights = learned
        labels = _at(epoch.labels, step)
        layers = _layers(tf.add_n(seen.shares) + weights.bias, weights.others)
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
        """Back-propagate from the last layer to the second.

        Returns:
            The error of the second layer's sums, and the later weights after one SGD step.
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
        """Return a part of the first layer after one SGD step."""
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


class _Served(tf.Module):  # type: ignore[misc]
    """The network in the form in which it is saved: pixels in, probabilities out."""

    def __init__(self, weights: Sequence[tf.Tensor]) -> None:
        super().__init__()
        self.weights = [tf.Variable(weight) for weight in weights]

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec((None, PIXELS), tf.float32, "pixels")], autograph=False
    )
    def serve(self, pixels: tf.Tensor) -> dict[str, Any]:
        return {"probabilities": tf.nn.softmax(_logits(pixels * PIXEL_SCALE, self.weights))}


def _logits(inputs: tf.Tensor, weights: Sequence[tf.Tensor]) -> Any:
    """Return the logits (count, 10) for pixels (count, 784) from 0 to 1."""
    return _layers(inputs @ weights[0] + weights[1], weights[2:])[-1]


def _layers(sums: tf.Tensor, weights: Sequence[tf.Tensor]) -> list[Any]:
    """Return the values of every layer up to the logits, from the sums of a hidden layer on."""
    layers: list[Any] = []
    for number in range(0, len(weights), 2):
        layers.append(tf.nn.relu(sums))
        sums = layers[-1] @ weights[number] + weights[number + 1]
    return [*layers, sums]


def _has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


def _useful_parts() -> int:
    """Return 2 where two cores compute; on a GPU one part is fastest."""
    return 1 if _has_gpu() else min(_threads(), 2)


def _threads() -> int:
    """Return the number of threads that TensorFlow computes an operation with, by its own rules."""
    asked_for = tf.config.threading.get_intra_op_parallelism_threads()
    named = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return asked_for or (int(named) if named.isdecimal() else 0) or cores()


def _at(batches: tf.Tensor, step: tf.Tensor) -> Any:
    """Return a step's batch; after the last step the last batch, as XLA clips indices."""
    # tf.slice would compile the program again for each step at which a stretch begins.
    return tf.gather(batches, step)


def _open_gates(values: tf.Tensor) -> Any:
    """Return the derivative of ReLU: 1 where the value is above 0, else 0."""
    return tf.cast(values > 0, tf.float32)
