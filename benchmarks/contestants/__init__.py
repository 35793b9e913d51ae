"""The contestants of the training benchmark. All contestants train the same network.

Each module defines a function `build(work: Work, **options) -> Epoch`. The code of each rival is
written as users of that library write their code.
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

#: The search space of the sweep benchmark, with eight configurations.
SPACE = {
    "batch_size": [64, 128],
    "learning_rate": [0.01, 0.1],
    "first_layer_neurons": [128, 256],
}


@dataclass(frozen=True)
class Work:
    """The data and parameters of a contestant.

    Images are (count, 784) pixels from 0 to 255. Labels are (count,) digits.
    """

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
        """Return the data and parameters of a trial, with values drawn from `SPACE`."""
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
    """A contestant.

    Attributes:
        label: The text in the printed table.
        module: The name of a module in this package.
        needs: The package that must be installed.
        options: The arguments of the module's function `build`.
    """

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
