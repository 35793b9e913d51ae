"""Keras's networks and optimisers, by the names of the command line."""

import keras

from digits.idx import CLASSES, PIXELS, SIDE
from digits.model import initial_weights
from digits.settings import Architecture, Optimizer, Settings

_MOMENTUM = 0.9


def build_network(settings: Settings) -> keras.Model:
    """Builds the network with the weights that the run starts with.

    Returns:
        A model from (count, 784) pixels from 0 to 1 to (count, 10) logits.
    """
    keras.utils.set_random_seed(settings.seed)
    if settings.architecture is Architecture.CNN:
        return _convolutional()
    network = _dense(settings.first_layer_neurons, settings.second_layer_neurons)
    # The very numbers that the compiled path starts with, so that both end alike.
    network.set_weights(initial_weights(settings))
    return network


def build_optimizer(settings: Settings) -> keras.optimizers.Optimizer:
    """The optimiser that the run was asked for."""
    rate = settings.learning_rate
    match settings.optimizer:
        case Optimizer.SGD:
            return keras.optimizers.SGD(rate)
        case Optimizer.MOMENTUM:
            return keras.optimizers.SGD(rate, momentum=_MOMENTUM)
        case Optimizer.ADAM:
            return keras.optimizers.Adam(rate)


def _dense(first: int, second: int) -> keras.Model:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((PIXELS,)),
            layers.Dense(first, activation="relu"),
            layers.Dense(second, activation="relu"),
            layers.Dense(CLASSES),
        ]
    )


def _convolutional() -> keras.Model:
    """Two convolutions, as in LeNet: http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((PIXELS,)),
            layers.Reshape((SIDE, SIDE, 1)),
            layers.Conv2D(16, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(CLASSES),
        ]
    )
