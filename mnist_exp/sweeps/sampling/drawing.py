"""The configurations of a sweep, each from its index alone.

A sweep that goes on in the middle, or whose trials end in another order, meets the same
configurations. Azure ML promises as much of a seed
(https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters), but its
generator is not public: the same seed gives the same sequence here, and another one there.
"""

import json
import math
import random
from collections.abc import Mapping
from typing import Any

from mnist_exp.sweeps.sampling.algorithms import (
    Configurations,
    Parameters,
    Sampling,
    SamplingRule,
    SamplingType,
)
from mnist_exp.sweeps.sampling.sobol import sobol_points
from mnist_exp.sweeps.space.expressions import Choice, Expression


def configurations(space: Mapping[str, Expression], sampling: Sampling) -> Configurations:
    """Return the configurations of a space.

    Random sampling may draw the same configuration of a finite space twice, as independent draws
    do; Azure ML documents nothing else. Only a grid is exhausted.

    Args:
        space: Key -> expression.
        sampling: With a seed (`sampling.with_seed`), unless it is a grid.

    Raises:
        ValueError: The sampling has no seed, or is one that cannot be drawn here.
    """
    if sampling.type is SamplingType.GRID:
        return _GridConfigurations(space)
    if sampling.type is not SamplingType.RANDOM:
        raise ValueError(f"no configurations without a history for {sampling.type.value} sampling")
    if sampling.seed is None:
        raise ValueError("random sampling needs a seed; draw one with with_seed")
    if sampling.rule is SamplingRule.SOBOL:
        return _SobolConfigurations(space, sampling.seed)
    return _RandomConfigurations(space, sampling.seed)


class _RandomConfigurations:
    """Independent draws; the order of the keys makes no difference."""

    def __init__(self, space: Mapping[str, Expression], seed: int) -> None:
        self._space = space
        self._seed = seed

    def __getitem__(self, index: int) -> Parameters:
        """Draw each parameter from a generator of its own, seeded by seed, index and key."""
        return {
            key: flat(expression.value(self._uniform(index, key)))
            for key, expression in self._space.items()
        }

    def _uniform(self, index: int, key: str) -> float:
        # A text seed is hashed with SHA-512, not with the hash that PYTHONHASHSEED changes.
        return random.Random(f"{self._seed}:{index}:{key}").random()  # noqa: S311


class _SobolConfigurations:
    """Draws from a Sobol sequence, one dimension a key in alphabetical order."""

    def __init__(self, space: Mapping[str, Expression], seed: int) -> None:
        self._space = space
        self._points = sobol_points(len(space), seed)
        self._dimensions = {key: place for place, key in enumerate(sorted(space))}

    def __getitem__(self, index: int) -> Parameters:
        """Draw from the point of that index; there are more points than trials can be."""
        point = self._points[index]
        return {
            key: flat(expression.value(point[self._dimensions[key]]))
            for key, expression in self._space.items()
        }


class _GridConfigurations:
    """Every combination of the choices, the last key changing fastest."""

    def __init__(self, space: Mapping[str, Expression]) -> None:
        self._options: dict[str, tuple[Any, ...]] = {}
        for key, expression in space.items():
            if not isinstance(expression, Choice):
                raise ValueError(f"a grid takes choice alone, {key} is {expression.type}")
            self._options[key] = expression.values

    def __getitem__(self, index: int) -> Parameters:
        """Read the index as a number whose digits are the places in the lists of values."""
        size = math.prod(len(values) for values in self._options.values())
        if not 0 <= index < size:
            raise IndexError(f"the grid has {size} configurations, asked for number {index}")
        chosen = {}
        for key, values in reversed(self._options.items()):
            index, place = divmod(index, len(values))
            chosen[key] = flat(values[place])
        return {key: chosen[key] for key in self._options}


def flat(value: Any) -> int | float | str:
    """Return what a command line can carry: a mapping as its JSON text, all else as it is."""
    if isinstance(value, Mapping):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return value  # type: ignore[no-any-return]
