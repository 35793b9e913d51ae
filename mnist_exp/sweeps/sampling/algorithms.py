"""How configurations are drawn from a search space.

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

#: Search-space key -> the value drawn; a mapping that was chosen is its JSON text.
Parameters = Mapping[str, int | float | str]

# Seeds of SDK and service are 32-bit integers.
_LARGEST_SEED = 2**31 - 1


class SamplingType(StrEnum):
    """Azure ML's sampling algorithms."""

    RANDOM = "random"
    GRID = "grid"
    BAYESIAN = "bayesian"


class SamplingRule(StrEnum):
    """Where random sampling takes its uniform numbers from."""

    RANDOM = "random"
    SOBOL = "sobol"


@dataclass(frozen=True)
class Sampling:
    """A sampling algorithm.

    Attributes:
        seed: Repeats the sequence; None draws a seed when the sweep is created.
        rule: Independent draws, or a Sobol sequence that spreads evenly.
        logbase: Base of the logarithmic expressions.
    """

    type: SamplingType
    seed: int | None = None
    rule: SamplingRule = SamplingRule.RANDOM
    logbase: float = math.e


class Learner(Protocol):
    """Configurations that depend on what came of those before."""

    def tell(self, trial: int, value: float | None, /) -> None:
        """A trial has ended; its best value, None without a finite one."""


class Configurations(Protocol):
    """The configurations of a sweep by trial index.

    `configurations[i]` depends on the space, the sampling and i alone, and raises IndexError when
    the space is exhausted; so a `for` loop works, and so does going on in the middle. Bayesian
    sampling alone depends on how earlier trials ended too, and answers for the next index only.
    """

    def __getitem__(self, index: int, /) -> Parameters:
        """Return the configuration of trial `index`."""


def with_seed(sampling: Sampling) -> Sampling:
    """Return the sampling with a seed, drawn now if it has none.

    To be called once, when a sweep is created, and recorded with it.
    """
    if sampling.seed is not None:
        return sampling
    return replace(sampling, seed=random.SystemRandom().randint(0, _LARGEST_SEED))


def parse_sampling(
    raw: object, where: str = "sweep.sampling_algorithm"
) -> tuple[Sampling | None, list[str]]:
    """Read `{type, seed, rule, logbase}`, or a type alone, which is Azure ML's short form.

    Returns:
        The algorithm, with defaults for what could not be read, or None when its type could not
        be; and a line for every fault.
    """
    part = Fields(raw if isinstance(raw, Mapping) else {"type": raw}, where)
    part.required(["type"], "a sampling algorithm")
    kind = part.member("type", SamplingType)
    if kind in {SamplingType.GRID, SamplingType.BAYESIAN}:
        part.only(["type"], kind.value)
        return Sampling(kind), part.faults
    part.only(["type", "seed", "rule", "logbase"], kind.value if kind else "a sampling algorithm")
    seed = part.integer("seed", 0, _LARGEST_SEED)
    rule = part.member("rule", SamplingRule) or SamplingRule.RANDOM
    logbase = _logbase(part)
    return (Sampling(kind, seed, rule, logbase) if kind else None), part.faults


def _logbase(part: Fields) -> float:
    if part.raw.get("logbase") in (None, "e"):
        return math.e
    base = part.positive("logbase")
    if base is not None and base <= 1:
        part.fault("logbase", f"must be 'e' or a number above 1, got {base:g}")
        return math.e
    return base or math.e


def check_sampling(
    sampling: Sampling,
    space: Mapping[str, Expression],
    space_where: str = "sweep.search_space",
) -> list[str]:
    """Find expressions that the algorithm cannot draw; a line for every fault."""
    faults = []
    for key, expression in space.items():
        fault = _unfit(sampling.type, expression)
        if fault:
            faults.append(f"{space_where}.{key}: {fault}; use sweep.sampling_algorithm.type=random")
    return faults


def _unfit(kind: SamplingType, expression: Expression) -> str | None:
    if kind is SamplingType.GRID and not isinstance(expression, Choice):
        return f"grid sampling takes choice alone, got {expression.type}"
    # A quniform is a Uniform, the logarithmic ones are not.
    if kind is SamplingType.BAYESIAN and not isinstance(expression, Choice | Uniform):
        return f"bayesian sampling takes choice, uniform and quniform alone, got {expression.type}"
    if kind is not SamplingType.RANDOM and getattr(expression, "has_subspace", False):
        return f"{kind.value} sampling takes no expressions inside a choice's values"
    return None
