"""The dense ReLU network's forward pass, and the form in which it is saved."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from digits.idx import PIXELS
from digits.model import PIXEL_SCALE


def scaled(images: tf.Tensor) -> Any:
    """Bytes as numbers from 0 to 1."""
    return tf.cast(images, tf.float32) * PIXEL_SCALE


def layers_from(sums: tf.Tensor, weights: Sequence[tf.Tensor]) -> list[Any]:
    """The values of every layer, from a hidden one, given by its sums, to the logits."""
    layers: list[Any] = []
    for number in range(0, len(weights), 2):
        layers.append(tf.nn.relu(sums))
        sums = layers[-1] @ weights[number] + weights[number + 1]
    return [*layers, sums]


def outputs(inputs: tf.Tensor, weights: Sequence[tf.Tensor]) -> Any:
    """The logits (count, 10) for pixels (count, 784) from 0 to 1."""
    return layers_from(inputs @ weights[0] + weights[1], weights[2:])[-1]


class Served(tf.Module):  # type: ignore[misc]
    """The network as it is saved: pixels in, probabilities out."""

    def __init__(self, weights: Sequence[tf.Tensor]) -> None:
        super().__init__()
        self.weights = [tf.Variable(weight) for weight in weights]

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec((None, PIXELS), tf.float32, "pixels")], autograph=False
    )
    def serve(self, pixels: tf.Tensor) -> dict[str, Any]:
        """Probabilities (count, 10) for pixels (count, 784) from 0 to 255."""
        return {"probabilities": tf.nn.softmax(outputs(pixels * PIXEL_SCALE, self.weights))}
