"""Forms of a sweep's parts: search space, sampling, limits, early termination.

A form is a dictionary with the field names and the structure of Azure ML's YAML.
"""

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
    """Return a mapping: Azure ML's name of each swept parameter -> the form of its expression."""
    return {azure_name(key): _expression(expression) for key, expression in space.items()}


def sampling_form(sampling: Sampling) -> Form:
    """Return the form of the sampling. Only random sampling has more fields than the type."""
    form: Form = {"type": sampling.type.value}
    if sampling.type is SamplingType.RANDOM:
        form["rule"] = sampling.rule.value
        if sampling.seed is not None:
            form["seed"] = sampling.seed
        if sampling.logbase != math.e:
            form["logbase"] = sampling.logbase
    return form


def sweep_limits_form(limits: Limits) -> Form:
    """Return the form of the limits, without limits that are not set."""
    given = {
        "max_total_trials": limits.max_total_trials,
        "max_concurrent_trials": limits.max_concurrent_trials,
        "timeout": limits.timeout,
        "trial_timeout": limits.trial_timeout,
    }
    return {name: value for name, value in given.items() if value is not None}


def policy_form(policy: Policy) -> Form:
    """Return the form of an early-termination policy. `Policy` has Azure ML's field names."""
    values = {field.name: getattr(policy, field.name) for field in fields(policy)}
    return {"type": policy.type, **values}


def _expression(expression: Expression) -> Form:
    form: Form = {"type": expression.type}
    if isinstance(expression, Choice):
        return {**form, "values": [_chosen(value) for value in expression.values]}
    # On Azure ML the base of logarithms is a field of the sampling, not of an expression.
    names = [field.name for field in fields(expression) if field.name != "base"]
    return {**form, **{name: getattr(expression, name) for name in names}}


def _chosen(value: Any) -> Any:
    """Return the form of one value of a choice. A mapping may contain expressions."""
    if not isinstance(value, Mapping):
        return value
    return {
        azure_name(name): _expression(part) if isinstance(part, Expression) else part
        for name, part in value.items()
    }
