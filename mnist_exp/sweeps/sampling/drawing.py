"""The configurations of random and grid sampling, each derived from its index alone.

A sweep that resumes, or whose trials end in another order, gets the same configurations. Azure ML
promises the same for a seed
(https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters). Its generator is
not public, so that the same seed gives another sequence there.
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

#: Exponent of the number of points. A Sobol sequence is balanced at powers of two; this one is
#: enough for the longest sweep.
_EXPONENT = (MOST_TRIALS - 1).bit_length()


def configurations(space: Mapping[str, Expression], sampling: Sampling) -> Configurations:
    """Return the configurations of a space.

    Draws are independent, so that random sampling may draw a configuration of a finite space
    twice; Azure ML documents nothing else. Only a grid can be exhausted.

    Args:
        space: Key -> expression.
        sampling: The algorithm; random sampling needs a seed (`algorithms.with_seed`).

    Raises:
        ValueError: Random sampling has no seed, or the sampling is bayesian.
    """
    if sampling.type is SamplingType.GRID:
        return _GridConfigurations(space)
    if sampling.type is not SamplingType.RANDOM:
        raise ValueError(f"{sampling.type.value} sampling needs the results of earlier trials")
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
        """Draw each parameter from its own generator, seeded by seed, index and key."""
        return {
            key: flat(expression.value(self._uniform(index, key)))
            for key, expression in self._space.items()
        }

    def _uniform(self, index: int, key: str) -> float:
        # Python hashes a text seed with SHA-512, which does not depend on PYTHONHASHSEED.
        return random.Random(f"{self._seed}:{index}:{key}").random()  # noqa: S311


class _SobolConfigurations:
    """Draws from a Sobol sequence, with one dimension for each key in alphabetical order."""

    def __init__(self, space: Mapping[str, Expression], seed: int) -> None:
        self._space = space
        self._points = _sobol_points(len(space), seed)
        self._dimensions = {key: place for place, key in enumerate(sorted(space))}

    def __getitem__(self, index: int) -> Parameters:
        """Draw from the point of that index; no sweep has more trials than there are points."""
        point = self._points[index]
        return {
            key: flat(expression.value(point[self._dimensions[key]]))
            for key, expression in self._space.items()
        }


def _sobol_points(dimensions: int, seed: int) -> Sequence[Sequence[float]]:
    """Return 1024 points of the unit cube that spread more evenly than independent draws.

    The sequence is SciPy's, with Owen scrambling by the seed. Azure ML documents neither its
    direction numbers nor its scrambling, so its numbers differ, but their spread is the same.

    Args:
        dimensions: The number of parameters.
        seed: The same seed repeats the sequence.

    Returns:
        Shape (1024, dimensions), each in [0, 1).
    """
    # Here and not above: SciPy takes half a second to import, and most sweeps do not need it.
    from scipy.stats import qmc  # noqa: PLC0415

    points: Sequence[Sequence[float]] = (
        qmc.Sobol(dimensions, scramble=True, rng=seed).random_base2(_EXPONENT).tolist()
    )
    return points


class _GridConfigurations:
    """Every combination of the choices; the last key changes fastest."""

    def __init__(self, space: Mapping[str, Expression]) -> None:
        self._options: dict[str, tuple[Any, ...]] = {}
        for key, expression in space.items():
            if not isinstance(expression, Choice):
                raise ValueError(f"a grid takes only choice, {key} is {expression.type}")
            self._options[key] = expression.values

    def __getitem__(self, index: int) -> Parameters:
        """Return the combination whose positions in the lists are the digits of the index."""
        size = math.prod(len(values) for values in self._options.values())
        if not 0 <= index < size:
            raise IndexError(f"the grid has {size} configurations, asked for number {index}")
        chosen = {}
        for key, values in reversed(self._options.items()):
            index, place = divmod(index, len(values))
            chosen[key] = flat(values[place])
        return {key: chosen[key] for key in self._options}


def flat(value: Any) -> int | float | str:
    """Return a value for the command line: a mapping as JSON text, other values unchanged."""
    if isinstance(value, Mapping):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return value  # type: ignore[no-any-return]
