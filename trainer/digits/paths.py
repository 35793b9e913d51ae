"""Which way of computing a run takes."""

import os
from typing import Any

from digits.compute import ComputePath
from digits.data import Digits
from digits.settings import Settings


def needs_keras(settings: Settings) -> bool:
    """Whether the run will take the general path, as far as that is known before it starts."""
    return not settings.is_dense_sgd or "TF_CONFIG" in os.environ


def choose_path(settings: Settings, digits: Digits, strategy: Any) -> ComputePath:
    """The compiled path where it applies, else the general one.

    Args:
        settings: The network and the optimiser.
        digits: What to train with.
        strategy: How several devices work together; None for one.
    """
    # Each path imports what it needs: one of them loads Keras, the other does without.
    if settings.is_dense_sgd and strategy is None:
        from digits.compiled import CompiledPath  # noqa: PLC0415

        return CompiledPath(settings, digits)

    from digits.general import GeneralPath  # noqa: PLC0415

    return GeneralPath(settings, digits, strategy)
