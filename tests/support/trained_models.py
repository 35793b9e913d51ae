"""The weights of the networks that the trainer has saved."""

from pathlib import Path
from typing import Any

import numpy as np


def have_equal_weights(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether the models of two training records have the same weights, bit for bit."""
    first, second = (
        np.load(Path(record["paths"]["folder"], "outputs/model/assets.extra/dense.npz"))
        for record in (one, other)
    )
    names: list[str] = first.files
    return names == second.files and all(
        np.array_equal(first[name], second[name]) for name in names
    )
