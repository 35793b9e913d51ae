"""The loop that tutorials teach: a GradientTape for each batch, run eagerly, op by op."""

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contestants import Epoch, Work


class Network(keras.Model):  # type: ignore[misc]
    def __init__(self, hidden: tuple[int, int]) -> None:
        super().__init__()
        self.first = keras.layers.Dense(hidden[0], activation=tf.nn.relu)
        self.second = keras.layers.Dense(hidden[1], activation=tf.nn.relu)
        self.out = keras.layers.Dense(10)

    def call(self, pixels: tf.Tensor) -> tf.Tensor:
        return self.out(self.second(self.first(pixels)))


def build(work: Work) -> Epoch:
    keras.utils.set_random_seed(work.seed)
    network = Network(work.hidden)
    optimizer = keras.optimizers.SGD(work.learning_rate)
    images = (work.images / 255).astype(np.float32)
    labels = work.labels.astype(np.int64)
    test_images = (work.test_images / 255).astype(np.float32)

    def step(pixels: np.ndarray, digits: np.ndarray) -> None:
        with tf.GradientTape() as tape:
            logits = network(pixels)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(digits, logits)
            loss = tf.reduce_mean(losses)
        weights = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    def epoch() -> float:
        nonlocal images, labels
        order = np.random.permutation(len(images))
        images, labels = images[order], labels[order]
        size = work.batch_size
        for start in range(0, len(images) - size + 1, size):
            step(images[start : start + size], labels[start : start + size])
        predictions = tf.argmax(network(test_images), 1).numpy()
        return float(np.mean(predictions == work.test_labels))

    return epoch
