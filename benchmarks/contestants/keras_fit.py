"""Keras `fit` with NumPy arrays as input."""

import keras
import numpy as np

from benchmarks.contestants import Epoch, Work


def build(work: Work, steps_per_execution: int = 1) -> Epoch:
    keras.utils.set_random_seed(work.seed)
    network = keras.Sequential(
        [
            keras.Input((work.images.shape[1],)),
            keras.layers.Dense(work.hidden[0], activation="relu"),
            keras.layers.Dense(work.hidden[1], activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    network.compile(
        optimizer=keras.optimizers.SGD(work.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
    )
    images = (work.images / 255).astype(np.float32)
    test_images = (work.test_images / 255).astype(np.float32)

    def epoch() -> float:
        history = network.fit(
            images,
            work.labels,
            batch_size=work.batch_size,
            validation_data=(test_images, work.test_labels),
            validation_batch_size=2000,
            verbose=0,
        )
        return float(history.history["val_accuracy"][-1])

    return epoch
