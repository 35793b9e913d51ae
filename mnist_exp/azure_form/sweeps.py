"""Forms of a sweep's parts: search space, sampling, limits, early termination."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mnist_exp.azure_form.assets import Form
from mnist_exp.sweeps.limits import Limits
from mnist_exp.sweeps.sampling.algorithms import Sampling, SamplingType
from mnist_exp.sweeps.space.expressions import Choice, Expression
from mnist_exp.sweeps.space.keys import azure_name
from mnist_exp.sweeps.stopping.policy import Policy


def search_space_form(space: Mapping[str, Expression]) -> Form:
    """Return the expressions by Azure ML's names of the swept parameters."""
    return {azure_name(key): _expression(expression) for key, expression in space.items()}


def sampling_form(sampling: Sampling) -> Form:
    """Return the sampling algorithm; only random sampling has fields."""
    form: Form = {"type": sampling.type.value}
    if sampling.type is SamplingType.RANDOM:
        form["rule"] = sampling.rule.value
        if sampling.seed is not None:
            form["seed"] = sampling.seed
        if sampling.logbase != math.e:
            form["logbase"] = sampling.logbase
    return form


def sweep_limits_form(limits: Limits) -> Form:
    """Return the limits that are set."""
    given = {
        "max_total_trials": limits.max_total_trials,
        "max_concurrent_trials": limits.max_concurrent_trials,
        "timeout": limits.timeout,
        "trial_timeout": limits.trial_timeout,
    }
    return {name: value for name, value in given.items() if value is not None}


def policy_form(policy: Policy) -> Form:
    """Return an early-termination policy; our fields have Azure ML's names."""
    values = {field.name: getattr(policy, field.name) for field in fields(policy)}
    return {"type": policy.type, **values}


def _expression(expression: Expression) -> Form:
    form: Form = {"type": expression.type}
    if isinstance(expression, Choice):
        return {**form, "values": [_chosen(value) for value in expression.values]}
    # On Azure the base of logarithms belongs to the sampling algorithm.
    names = [field.name for field in fields(expression) if field.name != "base"]
    return {**form, **{name: getattr(expression, name) for name in names}}


def _chosen(value: Any) -> Any:
    """Return one value of a choice; a mapping may hold expressions of its own."""
    if not isinstance(value, Mapping):
        return value
    return {
        azure_name(name): _expression(part) if isinstance(part, Expression) else part
        for name, part in value.items()
    }
