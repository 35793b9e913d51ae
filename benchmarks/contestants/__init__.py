"""The ways to train the same network that are measured against each other.

Each module has a function `build(work: Work, **options) -> Epoch`; the rivals are written the way
their users write them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Trains one epoch, validates, and returns the validation accuracy.
Epoch = Callable[[], float]


@dataclass(frozen=True)
class Work:
    """What is to be learned: pixels (count, 784) from 0 to 255, digits (count,), and how."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.uint8]
    batch_size: int
    seed: int
    hidden: tuple[int, int] = (256, 128)
    learning_rate: float = 0.01


@dataclass(frozen=True)
class Contestant:
    """One row of the table: which module, with which options, and what it must have installed."""

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
