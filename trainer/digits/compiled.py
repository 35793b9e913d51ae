"""The compiled path (see `compute.py`), which trains a dense ReLU network in one XLA program.

The program contains the loop over the steps. Python calls the program once for many steps, not once
for each step. The loop passes the weights from step to step as values. The weights therefore stay
on the device until the loop ends. The code computes the gradients with explicit formulas, not with
a GradientTape.

The forward pass and the backward pass are in the same file, because both passes depend on the
layout of the weights (see `_Weights`).
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

#: Maximum number of images in one call for a prediction. A larger number would need more memory.
_EVALUATION_ROWS = 5000


class _Part(NamedTuple):
    """Some neurons of the first layer, with all weights into and out of these neurons.

    Attributes:
        kernels: One array for each tile (a group of pixels, see `Tiles`): the weights of the pixels
            in this tile, (pixels, neurons).
        bias: The biases of the neurons, (neurons,).
        onward: The rows of the second layer's kernel that belong to these neurons,
            (neurons, neurons of the second layer).
    """

    kernels: tuple[Any, ...]
    bias: Any
    onward: Any


class _Weights(NamedTuple):
    """All weights of the network, in the layout that the training uses.

    Attributes:
        parts: The first layer and the second layer's kernel, in one or two parts. Each part belongs
            to some of the first layer's neurons.
        bias: The bias of the second layer.
        others: The kernel and then the bias of each later layer, starting with the third layer.
    """

    parts: tuple[_Part, ...]
    bias: Any
    others: tuple[Any, ...]


class _Epoch(NamedTuple):
    """The digits of an epoch, in the order of the epoch's batches.

    Attributes:
        images: One array for each tile: its pixels from 0 to 255, (batches, rows, pixels). For each
            batch, the array has rows only for the first images, because the pixels of the tile are
            0 in the remaining images.
        labels: The digits that the images show, (batches, images of a batch).
    """

    images: tuple[Any, ...]
    labels: Any


class _Learned(NamedTuple):
    """The sums and the weights after some steps of an epoch.

    Attributes:
        loss: Sum of the losses of the images, as in `Progress`.
        correct: Number of images that the network recognised, as in `Progress`.
        weights: The current weights.
    """

    loss: Any
    correct: Any
    weights: _Weights


class _Seen(NamedTuple):
    """The input and the output of the first layer for a batch.

    Attributes:
        pixels: One array for each tile: its pixels from 0 to 1, (rows, pixels).
        values: One array for each part of the first layer: the values of its neurons after ReLU,
            (images of a batch, neurons).
        shares: One array for each part of the first layer: the summand that this part adds to the
            sums of the second layer, (images of a batch, neurons of the second layer).
    """

    pixels: tuple[Any, ...]
    values: tuple[Any, ...]
    shares: tuple[Any, ...]


class CompiledPath:
    """A dense ReLU network that is trained by plain SGD on softmax cross-entropy.

    Before an epoch begins, its images are copied in the order of the epoch. Many pixels are dark
    (0) in most images. To save time, the first layer skips most of the products with dark pixels
    (see `Tiles`).

    With two or more cores, the first layer is divided into two halves. Each half computes its own
    gradient and weight update, and then its output for the next batch. This work does not need the
    other half. Therefore two cores can do this work at the same time, and wait for each other only
    at the second layer.

    Args:
        settings: The settings with the network's widths, batch size and learning rate.
        digits: The digits to train with.
        parts: Number of parts into which the first layer is divided; None to choose the fastest
            number.
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
            self._epoch = self._ordered(self._tiles.batches(order))
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
        """Return the weights by name. Plain SGD has no other variables."""
        return {f"weight_{i}": weight for i, weight in enumerate(self.dense_weights())}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Load weights that `state` returned."""
        self._load([state[f"weight_{i}"] for i in range(len(state))])

    def dense_weights(self) -> list[Floats]:
        """Return the current kernel and then the current bias of each layer."""
        kernels, biases, onward = zip(*self._weights.parts, strict=True)
        kernel = self._first_kernel.copy()
        for number, pixels in enumerate(self._tiles.pixels):
            kernel[pixels] = np.concatenate([tiles[number] for tiles in kernels], axis=1)
        others = [weight.numpy() for weight in (self._weights.bias, *self._weights.others)]
        return [kernel, np.concatenate(biases), np.concatenate(onward), *others]

    def serving(self) -> Any:
        """Return the module to export; see `ComputePath.serving`."""
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

    def _ordered(self, batches: np.ndarray) -> _Epoch:
        # Copying all images once for each epoch is faster than gathering the images of each batch.
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
            # This step also computes the first layer for the next batch. Each core can do this for
            # its own part without waiting for the other core.
            learned = self._step(epoch, step, seen, learned)
            return step + 1, learned, look(step + 1, learned)

        # With one tile, XLA distributes each product over all cores. Therefore `step_ahead` would
        # not be faster than `step_on`.
        if len(epoch.images) == 1:
            return tf.while_loop(is_left, step_on, (first, learned))[1]
        return tf.while_loop(is_left, step_ahead, (first, learned, look(first, learned)))[1]

    def _look(self, epoch: _Epoch, step: tf.Tensor, parts: Sequence[_Part]) -> _Seen:
        """Return the input and the output of the first layer for a step's batch."""
        pixels = tuple(scaled(_at(tile, step)) for tile in epoch.images)
        values = tuple(tf.nn.relu(self._sums(pixels, part)) for part in parts)
        shares = tuple(own @ part.onward for own, part in zip(values, parts, strict=True))
        return _Seen(pixels, values, shares)

    def _sums(self, pixels: Sequence[Any], part: _Part) -> Any:
        products = [tile @ kernel for tile, kernel in zip(pixels, part.kernels, strict=True)]
        # A tile has rows only for the first images of the batch. The remaining images are dark in
        # this tile, so their products are 0.
        missing = [self._batch_size - product.shape[0] for product in products]
        return part.bias + tf.add_n(
            [
                tf.pad(product, [[0, rows], [0, 0]])
                for product, rows in zip(products, missing, strict=True)
            ]
        )

    def _step(self, epoch: _Epoch, step: tf.Tensor, seen: _Seen, learned: _Learned) -> _Learned:
        """Train with one batch, and return the new sums and the new weights.

        Args:
            epoch: The digits of the epoch.
            step: The number of the step, which is the index of its batch.
            seen: The input and the output of the first layer for this batch.
            learned: The sums and the weights before this step.
        """
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
        """Back-propagate the error from the last layer to the second layer.

        The error of a layer is the gradient of the loss with respect to the layer's sums before
        ReLU.

        Returns:
            The error of the second layer, and the weights of all later layers after one SGD step.
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
        """Return a part of the first layer after one SGD step.

        Args:
            part: The part before the step.
            pixels: The pixels of the batch, as in `_Seen`.
            values: The values of the part's neurons for the batch, as in `_Seen`.
            error: The error of the second layer, which `_descended` returned.
        """
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
    """The exported form of the network: a module that computes probabilities from pixels."""

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
    """Return the values of a hidden layer and of all later layers. The last values are the logits.

    Args:
        sums: The sums of the hidden layer, before ReLU.
        weights: The kernel and then the bias of each later layer.
    """
    layers: list[Any] = []
    for number in range(0, len(weights), 2):
        layers.append(tf.nn.relu(sums))
        sums = layers[-1] @ weights[number] + weights[number + 1]
    return [*layers, sums]


def _has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


def _useful_parts() -> int:
    """Return the fastest number of parts: 1 on a GPU or with one thread, and 2 otherwise."""
    return 1 if _has_gpu() else min(_threads(), 2)


def _threads() -> int:
    """Return the number of threads that TensorFlow uses for one operation."""
    asked_for = tf.config.threading.get_intra_op_parallelism_threads()
    named = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return asked_for or (int(named) if named.isdecimal() else 0) or cores()


def _at(batches: tf.Tensor, step: tf.Tensor) -> Any:
    """Return a step's batch; return the last batch for a step after the last step.

    The loop computes the first layer one step early. In the last step, the index of the next batch
    is therefore too large. XLA then returns the last batch, and the loop never uses the result.
    """
    # With tf.slice, XLA would compile the program again each time the loop starts at a different
    # step.
    return tf.gather(batches, step)


def _open_gates(values: tf.Tensor) -> Any:
    """Return the derivative of ReLU: 1 where the value is above 0, else 0."""
    return tf.cast(values > 0, tf.float32)
