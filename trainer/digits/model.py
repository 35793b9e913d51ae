"""The dense network's weights, and how they start."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from digits.idx import CLASSES, PIXELS
from digits.settings import Settings

Floats = npt.NDArray[np.float32]

# Pixels come as 0 to 255 in training and in serving; the network sees 0 to 1.
PIXEL_SCALE = 1 / 255


def initial_weights(settings: Settings) -> list[Floats]:
    """Draws the weights that a run starts with: Glorot uniform, biases 0.

    The rule is that of Keras's Dense layer: https://proceedings.mlr.press/v9/glorot10a.html

    Returns:
        For each layer its kernel (inputs, outputs) and its bias (outputs,), in turns.
    """
    random = np.random.default_rng([settings.seed, 1])
    sizes = (PIXELS, settings.first_layer_neurons, settings.second_layer_neurons, CLASSES)
    weights = []
    for inputs, outputs in pairwise(sizes):
        limit = np.sqrt(6 / (inputs + outputs))
        kernel = random.uniform(-limit, limit, (inputs, outputs)).astype(np.float32)
        weights += [kernel, np.zeros(outputs, np.float32)]
    return weights
