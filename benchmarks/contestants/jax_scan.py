"""A JAX loop, which compiles a whole epoch as one `lax.scan` with value_and_grad."""

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.contestants import Epoch, Work


def _logits(weights: Any, pixels: Any) -> Any:
    for kernel, bias in weights[:-1]:
        pixels = jax.nn.relu(pixels @ kernel + bias)
    kernel, bias = weights[-1]
    return pixels @ kernel + bias


def _loss(weights: Any, pixels: Any, digits: Any) -> Any:
    log_probabilities = jax.nn.log_softmax(_logits(weights, pixels))
    return -jnp.mean(jnp.take_along_axis(log_probabilities, digits[:, None], axis=1))


def build(work: Work) -> Epoch:
    key = jax.random.key(work.seed)
    sizes = (work.images.shape[1], *work.hidden, 10)
    glorot = jax.nn.initializers.glorot_uniform()
    weights = []
    for inputs, outputs in pairwise(sizes):
        key, used = jax.random.split(key)
        weights.append((glorot(used, (inputs, outputs)), jnp.zeros(outputs)))
    images = jnp.asarray(work.images, jnp.float32) / 255
    labels = jnp.asarray(work.labels, jnp.int32)
    test_images = jnp.asarray(work.test_images, jnp.float32) / 255
    test_labels = jnp.asarray(work.test_labels, jnp.int32)
    steps = len(images) // work.batch_size

    @jax.jit  # type: ignore[untyped-decorator]
    def train(weights: Any, key: Any, images: Any, labels: Any) -> Any:
        order = jax.random.permutation(key, len(images))[: steps * work.batch_size]

        def step(weights: Any, rows: Any) -> Any:
            loss, gradients = jax.value_and_grad(_loss)(weights, images[rows], labels[rows])
            descended = jax.tree.map(lambda w, g: w - work.learning_rate * g, weights, gradients)
            return descended, loss

        return jax.lax.scan(step, weights, order.reshape(steps, work.batch_size))

    @jax.jit  # type: ignore[untyped-decorator]
    def accuracy(weights: Any, images: Any, labels: Any) -> Any:
        return jnp.mean(jnp.argmax(_logits(weights, images), axis=1) == labels)

    def epoch() -> float:
        nonlocal key, weights
        key, used = jax.random.split(key)
        weights, _ = train(weights, used, images, labels)
        return float(accuracy(weights, test_images, test_labels))

    return epoch
