"""Ways to train the same network, which are measured against each other.

Each module has a function `build(work: Work, **options) -> Epoch`. Rivals are written in the way
their users write them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from digits.data import Digits

#: A function that trains one epoch, validates, and returns the validation accuracy.
Epoch = Callable[[], float]

#: The configurations of the sweep benchmark: eight.
SPACE = {
    "batch_size": [64, 128],
    "learning_rate": [0.01, 0.1],
    "first_layer_neurons": [128, 256],
}


@dataclass(frozen=True)
class Work:
    """The task of a contestant: pixels (count, 784) from 0 to 255, digits (count,), parameters."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.uint8]
    batch_size: int
    seed: int
    hidden: tuple[int, int] = (256, 128)
    learning_rate: float = 0.01

    @classmethod
    def of_trial(cls, digits: "Digits", test: "Digits", drawn: Mapping[str, float]) -> "Work":
        """Return the task of a sweep's trial, with values that a sampler drew from `SPACE`."""
        return cls(
            digits.images,
            digits.labels,
            test.images,
            test.labels,
            int(drawn["batch_size"]),
            42,
            (int(drawn["first_layer_neurons"]), 128),
            float(drawn["learning_rate"]),
        )


@dataclass(frozen=True)
class Contestant:
    """A row of the table: module, options, and the package that it needs."""

    label: str
    module: str
    needs: str = "tensorflow"
    options: tuple[tuple[str, int], ...] = ()


CONTESTANTS = {
    "ours": Contestant("trainer (compiled epoch)", "ours"),
    "general": Contestant("trainer (general path)", "ours", options=(("general", 1),)),
    "eager": Contestant("eager loop", "eager"),
    "fit": Contestant("Keras fit", "keras_fit"),
    "fit100": Contestant(
        "Keras fit, steps_per_execution=100", "keras_fit", options=(("steps_per_execution", 100),)
    ),
    "torch": Contestant("torch", "torch_loop", "torch"),
    "jax": Contestant("JAX, scan over the epoch", "jax_scan", "jax"),
}
