"""The networks and optimisers of the trainer.

To train your own network:

1. Add a function to this module that returns a Keras model, like `_convolutional`. The input of the
   model is (count, 784) pixels from 0 to 1. The output is (count, 10) logits.
2. Add a name for the network to `Architecture`, and a case to `build_network`.
3. Run `python train.py --data-folder FOLDER --architecture NAME`, or
   `mnist-exp stage=train job.inputs.architecture=NAME`.

`general.py` trains the model on softmax cross-entropy. Checkpoints, metrics, export and scoring
work for every model.

The functions import Keras when they are called, not at the top of this module, because this import
takes more than a second. `settings.py` imports this module only for the names of the networks and
optimisers. The dense network with plain SGD never needs Keras (see `compiled.py`).
"""

from enum import Enum
from typing import Any

from digits import CLASSES, PIXELS, SIDE

_MOMENTUM = 0.9


class Name(str, Enum):  # noqa: UP042 - Azure ML's TensorFlow image has Python 3.10
    """A name on the command line, like a StrEnum. Python 3.10 does not have StrEnum."""

    def __str__(self) -> str:
        return str(self.value)


class Architecture(Name):
    """The networks. The values are the names on the command line."""

    DNN = "dnn"
    CNN = "cnn"


class Optimizer(Name):
    """The optimisers. The values are the names on the command line."""

    SGD = "sgd"
    MOMENTUM = "momentum"
    ADAM = "adam"


def build_network(architecture: Architecture, first_layer: int, second_layer: int) -> Any:
    """Build an untrained Keras model.

    Args:
        architecture: The network's name.
        first_layer: Number of neurons of the first hidden layer, if the network is dense.
        second_layer: Number of neurons of the second hidden layer, if the network is dense.

    Returns:
        A model from (count, 784) pixels from 0 to 1 to (count, 10) logits.
    """
    match architecture:
        case Architecture.DNN:
            return _dense(first_layer, second_layer)
        case Architecture.CNN:
            return _convolutional()


def build_optimizer(optimizer: Optimizer, learning_rate: float) -> Any:
    """Build a Keras optimiser."""
    from keras import optimizers  # noqa: PLC0415

    match optimizer:
        case Optimizer.SGD:
            return optimizers.SGD(learning_rate)
        case Optimizer.MOMENTUM:
            return optimizers.SGD(learning_rate, momentum=_MOMENTUM)
        case Optimizer.ADAM:
            return optimizers.Adam(learning_rate)


def _dense(first_layer: int, second_layer: int) -> Any:
    from keras import Input, Sequential, layers  # noqa: PLC0415

    return Sequential(
        [
            Input((PIXELS,)),
            layers.Dense(first_layer, activation="relu"),
            layers.Dense(second_layer, activation="relu"),
            layers.Dense(CLASSES),
        ]
    )


def _convolutional() -> Any:
    """Return a network with two convolutions, similar to LeNet.

    LeNet is described in http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf.
    """
    from keras import Input, Sequential, layers  # noqa: PLC0415

    return Sequential(
        [
            Input((PIXELS,)),
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
