"""The settings of the sampling algorithms, and the functions that read and check the settings.

https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from mnist_exp.sweeps.fields import Fields
from mnist_exp.sweeps.space.expressions import Choice, Expression, Uniform

#: Search-space key -> drawn value. A drawn mapping is converted to JSON text.
Parameters = Mapping[str, int | float | str]

#: The largest seed. Azure ML's seeds are 32-bit integers.
_LARGEST_SEED = 2**31 - 1


class SamplingType(StrEnum):
    """Azure ML's sampling algorithms."""

    RANDOM = "random"
    GRID = "grid"
    BAYESIAN = "bayesian"


class SamplingRule(StrEnum):
    """The source of the uniform random numbers that random sampling uses."""

    RANDOM = "random"
    SOBOL = "sobol"


@dataclass(frozen=True)
class Sampling:
    """A sampling algorithm.

    Attributes:
        seed: The seed of the random numbers. The same seed always gives the same configurations.
            None means that `with_seed` draws a seed when the sweep is created.
        rule: Independent draws, or a Sobol sequence, which covers the space more evenly.
        logbase: The base of the logarithmic expressions.
    """

    type: SamplingType
    seed: int | None = None
    rule: SamplingRule = SamplingRule.RANDOM
    logbase: float = math.e


class Learner(Protocol):
    """A sampler that learns from the results of trials."""

    def tell(self, trial: int, value: float | None, /) -> None:
        """Receive the best value of a trial that has ended; None if no value is finite."""


class Configurations(Protocol):
    """The configurations of a sweep, by the index of the trial.

    With random and grid sampling, `configurations[i]` depends only on the space, the sampling and
    i. A sweep can therefore resume at any index. With bayesian sampling, `configurations[i]` also
    depends on the results of earlier trials, and i must be the index of the next trial. IndexError
    means that the space has no further configuration.
    """

    def __getitem__(self, index: int, /) -> Parameters:
        """Return the configuration of trial `index`."""


def with_seed(sampling: Sampling) -> Sampling:
    """Return the sampling with a seed; draw a seed if the sampling has no seed.

    Call this function once, when a sweep is created. The caller must save the seed, because a
    command that resumes the sweep needs the same seed.
    """
    if sampling.seed is not None:
        return sampling
    return replace(sampling, seed=random.SystemRandom().randint(0, _LARGEST_SEED))


def parse_sampling(
    raw: object, where: str = "sweep.sampling_algorithm"
) -> tuple[Sampling | None, list[str]]:
    """Read the mapping `{type, seed, rule, logbase}`, or a text with only the type.

    Azure ML allows both notations.

    Returns:
        A pair: the algorithm, and the faults, one line per fault. If a field has a fault, the
        algorithm contains the default of the field. If the type has a fault, the algorithm is None.
    """
    part = Fields(raw if isinstance(raw, Mapping) else {"type": raw}, where)
    part.required(["type"], "a sampling algorithm")
    kind = part.member("type", SamplingType)
    if kind in {SamplingType.GRID, SamplingType.BAYESIAN}:
        part.only(["type"], kind.value)
        return Sampling(kind), part.faults
    part.only(["type", "seed", "rule", "logbase"], kind.value if kind else "a sampling algorithm")
    seed = part.integer("seed", -_LARGEST_SEED - 1, _LARGEST_SEED)
    rule = part.member("rule", SamplingRule) or SamplingRule.RANDOM
    logbase = _logbase(part)
    return (Sampling(kind, seed, rule, logbase) if kind else None), part.faults


def _logbase(part: Fields) -> float:
    if part.raw.get("logbase") in (None, "e"):
        return math.e
    base = part.positive("logbase")
    if base == 1:
        # Every power of 1 is 1.
        part.fault("logbase", "must be 'e' or a number above 0 except 1, got 1")
        return math.e
    return base or math.e


def check_sampling(
    sampling: Sampling,
    space: Mapping[str, Expression],
    space_where: str = "sweep.search_space",
) -> list[str]:
    """Return a line for each expression that the algorithm does not support."""
    faults = []
    for key, expression in space.items():
        fault = _unfit(sampling.type, expression)
        if fault:
            faults.append(f"{space_where}.{key}: {fault}; use sweep.sampling_algorithm.type=random")
    return faults


def _unfit(kind: SamplingType, expression: Expression) -> str | None:
    if kind is SamplingType.GRID and not isinstance(expression, Choice):
        return f"grid sampling supports only choice, got {expression.type}"
    # `Uniform` includes its subclass QUniform, but not the logarithmic expressions.
    if kind is SamplingType.BAYESIAN and not isinstance(expression, Choice | Uniform):
        return (
            f"bayesian sampling supports only choice, uniform and quniform, got {expression.type}"
        )
    if kind is not SamplingType.RANDOM and getattr(expression, "has_subspace", False):
        return f"{kind.value} sampling supports no expressions inside the values of a choice"
    return None
