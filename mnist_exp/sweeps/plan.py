"""Read and check the whole config of a sweep."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mnist_exp.sweeps.limits import Limits, parse_limits
from mnist_exp.sweeps.ranking import Objective, parse_objective
from mnist_exp.sweeps.sampling.algorithms import (
    Sampling,
    SamplingType,
    check_sampling,
    parse_sampling,
)
from mnist_exp.sweeps.space.expressions import Choice, Expression, LogUniform, Randint
from mnist_exp.sweeps.space.parse import parse_search_space
from mnist_exp.sweeps.stopping.parse import parse_policy
from mnist_exp.sweeps.stopping.policy import Policy

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


_KEYS = ("sampling_algorithm", "search_space", "objective", "limits", "early_termination")


@dataclass(frozen=True)
class SweepPlan:
    """A sweep that was read from a config without faults.

    Attributes:
        warnings: One line per value that is allowed, but probably a mistake.
    """

    search_space: Mapping[str, Expression]
    sampling: Sampling
    objective: Objective
    limits: Limits
    early_termination: Policy | None = None
    warnings: tuple[str, ...] = ()


def parse_sweep(
    config: "DataclassInstance | Mapping[str, Any]",
) -> tuple[SweepPlan | None, list[str]]:
    """Read a sweep's config and find all its faults.

    Args:
        config: A dataclass or mapping with `sampling_algorithm`, `search_space`, `objective`,
            `limits` and `early_termination`.

    Returns:
        A pair: the plan (None if there are faults), and the faults, one line per fault.
    """
    raw = config if isinstance(config, Mapping) else asdict(config)
    at = {key: f"sweep.{key}" for key in _KEYS}
    part = {key: raw.get(key) or {} for key in _KEYS}
    sampling, faults = parse_sampling(part["sampling_algorithm"], at["sampling_algorithm"])
    space, space_faults = parse_search_space(
        part["search_space"], at["search_space"], sampling.logbase if sampling else math.e
    )
    if sampling:
        faults += check_sampling(sampling, space, at["search_space"])
    objective, objective_faults = parse_objective(part["objective"], at["objective"])
    limits, limits_faults = parse_limits(part["limits"], at["limits"])
    # An empty mapping means that there is no policy. The config groups contain an empty mapping
    # instead of null, because Hydra's command line cannot override null with a mapping.
    policy, policy_faults = parse_policy(
        raw.get("early_termination") or None, at["early_termination"]
    )
    faults += space_faults + objective_faults + limits_faults + policy_faults
    if faults or not (sampling and objective and limits):
        return None, faults
    warnings = tuple(_warnings(space, sampling, limits))
    return SweepPlan(space, sampling, objective, limits, policy, warnings), []


def readable_space(
    search_space: Mapping[str, Any], sampling_algorithm: object
) -> dict[str, Expression]:
    """Return the expressions without faults, even if other parts of the sweep have faults."""
    sampling, _ = parse_sampling(sampling_algorithm)
    return parse_search_space(search_space, logbase=sampling.logbase if sampling else math.e)[0]


def _warnings(space: Mapping[str, Expression], sampling: Sampling, limits: Limits) -> Iterator[str]:
    for key, expression in space.items():
        # Logarithms from 0 to 1 give a narrow range, e.g. 1 to 2.7. The user probably meant the
        # bounds themselves, not their logarithms.
        if (
            isinstance(expression, LogUniform)
            and expression.min_value >= 0
            and expression.max_value <= 1
        ):
            low, high = expression.value(0.0), expression.value(1.0)
            yield (
                f"sweep.search_space.{key}: values will be between {low:.4g} and {high:.4g}, "
                "because min_value and max_value are logarithms; to give the bounds themselves, "
                "use the keys low and high"
            )
    size, trials = space_size(space), limits.max_total_trials
    if sampling.type is SamplingType.BAYESIAN and trials < 20 * len(space):
        yield (
            f"sweep.limits.max_total_trials: bayesian sampling needs many trials; "
            f"Azure ML advises 20 trials for each parameter, here {20 * len(space)} in total, "
            f"got {trials}"
        )
    if sampling.type is SamplingType.GRID and size is not None and size > trials:
        yield (
            f"sweep.limits.max_total_trials: the grid has {size} configurations, "
            f"but only {trials} trials will run; a higher limit tries more configurations"
        )
    if sampling.type is SamplingType.RANDOM and size is not None and size < trials:
        yield (
            f"sweep.limits.max_total_trials: the space has only {size} configurations, so "
            f"some of the {trials} trials will repeat the configuration of another trial; "
            "sampling_algorithm.type=grid tries each configuration once"
        )


def space_size(space: Mapping[str, Expression]) -> int | None:
    """Return the number of configurations of a space; None if the number is infinite or unknown."""
    size = 1
    for expression in space.values():
        if isinstance(expression, Choice) and not expression.has_subspace:
            size *= len(expression.values)
        elif isinstance(expression, Randint):
            size *= expression.upper
        else:
            return None
    return size
