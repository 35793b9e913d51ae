"""The configurations of random and grid sampling.

A configuration depends only on the index of the trial, the space and the seed. The configurations
are therefore the same when a sweep resumes, and do not depend on the order in which trials end. On
Azure ML, equal seeds also give equal configurations:
https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters
However, Azure ML's generator is not public. This module therefore draws other configurations than
Azure ML, even with the same seed.
"""

import json
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from mnist_exp.sweeps.limits import MOST_TRIALS
from mnist_exp.sweeps.sampling.algorithms import (
    Configurations,
    Parameters,
    Sampling,
    SamplingRule,
    SamplingType,
)
from mnist_exp.sweeps.space.expressions import Choice, Expression

#: A Sobol sequence gets 2 ** _EXPONENT points, because only powers of two give a balanced
#: sequence. These points are enough for the maximum number of trials.
_EXPONENT = (MOST_TRIALS - 1).bit_length()


def configurations(space: Mapping[str, Expression], sampling: Sampling) -> Configurations:
    """Return the configurations of a space.

    Random sampling may draw the same configuration of a finite space twice. Azure ML's
    documentation does not exclude repeated configurations. A grid is finite: an index after its
    last configuration raises IndexError. Random sampling has a configuration for every trial.

    Args:
        space: Key -> expression.
        sampling: The algorithm. Random sampling needs a seed, see `algorithms.with_seed`.

    Raises:
        ValueError: Random sampling has no seed, or the sampling is bayesian.
    """
    if sampling.type is SamplingType.GRID:
        return _GridConfigurations(space)
    if sampling.type is not SamplingType.RANDOM:
        raise ValueError(f"{sampling.type.value} sampling needs the results of earlier trials")
    if sampling.seed is None:
        raise ValueError("random sampling needs a seed; draw a seed with with_seed")
    if sampling.rule is SamplingRule.SOBOL:
        return _SobolConfigurations(space, sampling.seed)
    return _RandomConfigurations(space, sampling.seed)


class _RandomConfigurations:
    """Independently drawn configurations. The order of the keys does not change the values."""

    def __init__(self, space: Mapping[str, Expression], seed: int) -> None:
        self._space = space
        self._seed = seed

    def __getitem__(self, index: int) -> Parameters:
        """Draw each parameter with its own generator, which is seeded with seed, index and key."""
        return {
            key: flat(expression.value(self._uniform(index, key)))
            for key, expression in self._space.items()
        }

    def _uniform(self, index: int, key: str) -> float:
        # Python hashes a text seed with SHA-512, which does not depend on PYTHONHASHSEED.
        return random.Random(f"{self._seed}:{index}:{key}").random()  # noqa: S311


class _SobolConfigurations:
    """Configurations from a Sobol sequence. Each key has its own dimension of the sequence."""

    def __init__(self, space: Mapping[str, Expression], seed: int) -> None:
        self._space = space
        self._points = _sobol_points(len(space), seed)
        # The alphabetical order makes the draws independent of the order of the keys.
        self._dimensions = {key: place for place, key in enumerate(sorted(space))}

    def __getitem__(self, index: int) -> Parameters:
        """Return the configuration of trial `index`, drawn from the point with this index."""
        point = self._points[index]
        return {
            key: flat(expression.value(point[self._dimensions[key]]))
            for key, expression in self._space.items()
        }


def _sobol_points(dimensions: int, seed: int) -> Sequence[Sequence[float]]:
    """Return 1024 points of the unit cube, which cover the cube more evenly than independent draws.

    SciPy computes the sequence and scrambles it with the seed (Owen scrambling). Azure ML does not
    document the parameters of its Sobol sequence. Azure ML's points are therefore different, but
    cover the cube equally evenly.

    Args:
        dimensions: The number of parameters.
        seed: The seed of the scrambling. The same seed gives the same points.

    Returns:
        The points, with shape (1024, dimensions). Each number is in [0, 1).
    """
    # Import late: the import of SciPy takes half a second, and most sweeps do not need SciPy.
    from scipy.stats import qmc  # noqa: PLC0415

    points: Sequence[Sequence[float]] = (
        # SciPy accepts no negative seed.
        qmc.Sobol(dimensions, scramble=True, rng=seed % 2**32).random_base2(_EXPONENT).tolist()
    )
    return points


class _GridConfigurations:
    """All combinations of the values of all keys. The last key's value changes at every index."""

    def __init__(self, space: Mapping[str, Expression]) -> None:
        self._options: dict[str, tuple[Any, ...]] = {}
        for key, expression in space.items():
            if not isinstance(expression, Choice):
                raise ValueError(f"a grid supports only choice, but {key} is {expression.type}")
            self._options[key] = expression.values

    def __getitem__(self, index: int) -> Parameters:
        """Return the combination with a given index.

        The index is read as a number with one digit per key. The digit of a key is the position of
        the chosen value in the key's list of values. The base of the digit is the list's length.
        """
        size = math.prod(len(values) for values in self._options.values())
        if not 0 <= index < size:
            raise IndexError(f"the grid has {size} configurations, asked for number {index}")
        chosen = {}
        for key, values in reversed(self._options.items()):
            index, place = divmod(index, len(values))
            chosen[key] = flat(values[place])
        return {key: chosen[key] for key in self._options}


def flat(value: Any) -> int | float | str:
    """Return a value for the command line: JSON text for a mapping, other values unchanged."""
    if isinstance(value, Mapping):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return value  # type: ignore[no-any-return]
