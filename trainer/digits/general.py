"""The general path (see `compute.py`), which trains any Keras network with any Keras optimiser.

One call of a compiled graph runs many steps. A GradientTape computes the gradients. With a strategy
for several devices, each device processes a part of every batch. Keras's optimiser sums the
gradients of all devices. Therefore all devices have the same weights.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from digits import PIXEL_SCALE, PIXELS
from digits.compute import Floats, Progress, digits_of, initial_weights, scaled
from digits.data import Bytes, Digits
from digits.networks import Architecture, Optimizer, build_network, build_optimizer
from digits.settings import Settings

#: Maximum number of images in one call for a prediction. A larger number would need more memory.
_EVALUATION_ROWS = 1000


class GeneralPath:
    """A Keras network that is trained on softmax cross-entropy.

    Args:
        settings: The network, the optimiser, the batch size and the seed.
        digits: The digits to train with.
        strategy: TensorFlow's strategy for several devices; None for one device.
    """

    def __init__(self, settings: Settings, digits: Digits, strategy: Any = None) -> None:
        self._settings = settings
        self._strategy = strategy or tf.distribute.get_strategy()
        with self._strategy.scope():
            self._network = _seeded_network(settings)
            self._optimizer = build_optimizer(settings.optimizer, settings.learning_rate)
            self._optimizer.build(self._network.trainable_variables)
        self._share = settings.batch_size // self._strategy.num_replicas_in_sync
        self._images = self._on_each_device(digits.images)
        self._labels = self._on_each_device(digits.labels.astype(np.int32))
        compiled = strategy is None and _gains_from_xla(settings)
        self._steps = tf.function(self._loop, jit_compile=compiled or None, autograph=False)
        self._classify = tf.function(
            lambda images: digits_of(self._network(scaled(images), training=False)),
            autograph=False,
            reduce_retracing=True,
        )
        how = "XLA" if compiled else "graph"
        self.name = f"general path ({how}, GradientTape, {settings.optimizer})"

    def train(self, order: np.ndarray, progress: Progress, last: int) -> Progress:
        """Continue an epoch; see `ComputePath.train`."""
        loss, correct = self._steps(
            (self._images, self._labels),
            tf.constant(order),
            tf.constant(last, tf.int32),
            tf.constant(progress.steps, tf.int32),
            tf.constant(progress.loss, tf.float32),
            tf.constant(progress.correct, tf.int32),
        )
        return Progress(last, float(loss), int(correct))

    def predict(self, images: Bytes) -> np.ndarray:
        """Return the digit in each image; see `ComputePath.predict`."""
        parts = [
            self._classify(tf.constant(images[start : start + _EVALUATION_ROWS]))
            for start in range(0, len(images), _EVALUATION_ROWS)
        ]
        return np.concatenate([part.numpy() for part in parts])

    def state(self) -> dict[str, np.ndarray]:
        """Return weights and optimiser variables by name."""
        return {name: np.asarray(variable) for name, variable in self._variables().items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Load arrays that `state` returned."""
        for name, variable in self._variables().items():
            variable.assign(state[name])

    def dense_weights(self) -> list[Floats] | None:
        """Return the kernel and then the bias of each layer; None if the network is not dense."""
        if self._settings.architecture is not Architecture.DNN:
            return None
        weights: list[Floats] = self._network.get_weights()
        return weights

    def serving(self) -> Any:
        """Return the module to export; see `ComputePath.serving`."""
        return _Served(self._network)

    def _loop(self, digits: Any, order: tf.Tensor, last: tf.Tensor, *carried: tf.Tensor) -> Any:
        def step(number: tf.Tensor, loss: tf.Tensor, correct: tf.Tensor) -> Any:
            results = self._strategy.run(self._step, (*digits, order, number))
            losses, hits = (self._strategy.reduce("SUM", part, axis=None) for part in results)
            return number + 1, loss + losses, correct + hits

        _, loss, correct = tf.while_loop(
            lambda number, *_: number < last,
            step,
            carried,
            # A step reads variables that the previous step has written. TensorFlow does not know
            # this dependency and would run several steps in parallel.
            parallel_iterations=1,
        )
        return loss, correct

    def _step(
        self, images: tf.Tensor, labels: tf.Tensor, order: tf.Tensor, number: tf.Tensor
    ) -> Any:
        device = tf.distribute.get_replica_context().replica_id_in_sync_group
        start = number * self._settings.batch_size + device * self._share
        rows = tf.slice(order, [start], [self._share])
        pixels, truth = scaled(tf.gather(images, rows)), tf.gather(labels, rows)
        weights = self._network.trainable_variables
        with tf.GradientTape() as tape:
            logits = self._network(pixels, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(truth, logits)
            # The optimiser sums the gradients of all devices. Therefore divide by the size of the
            # whole batch, not by the size of this device's part.
            loss = tf.reduce_sum(losses) / self._settings.batch_size
        self._optimizer.apply(tape.gradient(loss, weights), weights)
        hits = tf.equal(tf.argmax(logits, 1, tf.int32), truth)
        return tf.reduce_sum(losses), tf.reduce_sum(tf.cast(hits, tf.int32))

    def _on_each_device(self, values: np.ndarray) -> Any:
        def place(_: Any) -> tf.Tensor:
            return tf.constant(values)

        return self._strategy.experimental_distribute_values_from_function(place)

    def _variables(self) -> dict[str, Any]:
        named = {f"weight_{i}": v for i, v in enumerate(self._network.variables)}
        if self._settings.optimizer is not Optimizer.SGD:
            # Plain SGD has no state to save. The learning rate of the other optimisers is not
            # saved, because it comes from the settings.
            memory = (v for v in self._optimizer.variables if v.name != "learning_rate")
            named |= {f"optimizer_{i}": v for i, v in enumerate(memory)}
        return named


def _seeded_network(settings: Settings) -> Any:
    """Return the network with initial weights that depend on the seed."""
    keras.utils.set_random_seed(settings.seed)
    network = build_network(
        settings.architecture, settings.first_layer_neurons, settings.second_layer_neurons
    )
    if settings.architecture is Architecture.DNN:
        # Use the initial weights of the compiled path, so that both paths give the same result.
        network.set_weights(initial_weights(settings))
    return network


def _gains_from_xla(settings: Settings) -> bool:
    # On a CPU, convolutions with XLA are ten times slower than convolutions with oneDNN.
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    return has_gpu or settings.architecture is Architecture.DNN


class _Served(tf.Module):  # type: ignore[misc]
    """The exported form of the network: a module that computes probabilities from pixels."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        # Copy the weights: variables that are distributed over several machines cannot be saved.
        self.trained = [tf.Variable(v.numpy()) for v in network.trainable_variables]
        self.others = [tf.Variable(v.numpy()) for v in network.non_trainable_variables]
        self._forward: Callable[..., Any] = network.stateless_call

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec((None, PIXELS), tf.float32, "pixels")], autograph=False
    )
    def serve(self, pixels: tf.Tensor) -> dict[str, Any]:
        inputs = pixels * PIXEL_SCALE
        logits, _ = self._forward(self.trained, self.others, inputs, training=False)
        return {"probabilities": tf.nn.softmax(logits)}
