"""The training loop of tutorials, which runs each operation eagerly with a GradientTape."""

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


class EagerTraining:
    """Training with an eager loop. Each epoch copies and shuffles all images, as in tutorials."""

    def __init__(self, work: Work) -> None:
        keras.utils.set_random_seed(work.seed)
        self.work = work
        self.network = Network(work.hidden)
        self.optimizer = keras.optimizers.SGD(work.learning_rate)
        self.images = (work.images / 255).astype(np.float32)
        self.labels = work.labels.astype(np.int64)
        self.test_images = (work.test_images / 255).astype(np.float32)

    def step(self, pixels: np.ndarray, digits: np.ndarray) -> None:
        with tf.GradientTape() as tape:
            logits = self.network(pixels)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(digits, logits)
            loss = tf.reduce_mean(losses)
        weights = self.network.trainable_variables
        gradients = tape.gradient(loss, weights)
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))

    def epoch(self) -> float:
        order = np.random.permutation(len(self.images))
        self.images, self.labels = self.images[order], self.labels[order]
        size = self.work.batch_size
        for start in range(0, len(self.images) - size + 1, size):
            self.step(self.images[start : start + size], self.labels[start : start + size])
        predictions = tf.argmax(self.network(self.test_images), 1).numpy()
        return float(np.mean(predictions == self.work.test_labels))


def build(work: Work) -> Epoch:
    return EagerTraining(work).epoch
