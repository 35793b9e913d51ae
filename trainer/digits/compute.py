"""What a way of computing owes to the training loop."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from digits.idx import Bytes
from digits.model import Floats

# In place of a digit, where the outputs are no numbers.
UNSEEN = -1


@dataclass(frozen=True)
class Progress:
    """How far an epoch has come.

    Attributes:
        steps: How many steps have been taken.
        loss: Sum of the images' losses, each taken before the step that learned from it. It is
            carried in float32 from step to step, so that it does not depend on where an epoch is
            cut into stretches.
        correct: How many images were recognised, likewise.
    """

    steps: int = 0
    loss: float = 0.0
    correct: int = 0


class ComputePath(Protocol):
    """A network in training. Images are (count, 784) pixels from 0 to 255 throughout."""

    name: str

    def train(self, order: np.ndarray, progress: Progress, last: int) -> Progress:
        """Goes on with an epoch.

        Args:
            order: (images,), int32: the order in which this epoch sees the images.
            progress: Where it stands.
            last: How many steps are to have been taken when this returns.
        """

    def predict(self, images: Bytes) -> np.ndarray:
        """The digits that the network sees in the images, `UNSEEN` where its outputs are nan."""

    def state(self) -> dict[str, np.ndarray]:
        """Weights and the optimiser's variables, by name: what a checkpoint keeps."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes over what `state` gave, here or in another process."""

    def dense_weights(self) -> list[Floats] | None:
        """Kernels and biases in turns, where the network is nothing but dense ReLU layers."""

    def serving(self) -> Any:
        """A tf.Module whose `serve` turns pixels into {"probabilities": (count, 10)}."""
