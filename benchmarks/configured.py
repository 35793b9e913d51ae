"""One of a sweep's configurations, for rivals that train it within a process of their own."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from benchmarks.contestants import Work

if TYPE_CHECKING:
    from digits.data import Digits


#: Two values of each: eight configurations.
SPACE = {
    "batch_size": [64, 128],
    "learning_rate": [0.01, 0.1],
    "first_layer_neurons": [128, 256],
}


def configured(digits: "Digits", test: "Digits", drawn: Mapping[str, float]) -> Work:
    """The trainer's work with what a sampler drew from `SPACE`."""
    return Work(
        digits.images,
        digits.labels,
        test.images,
        test.labels,
        int(drawn["batch_size"]),
        42,
        (int(drawn["first_layer_neurons"]), 128),
        float(drawn["learning_rate"]),
    )
