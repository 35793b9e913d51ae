"""Read an early-termination policy from the config.

https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-sweep#early-termination
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mnist_exp.sweeps.fields import Fields, did_you_mean, shown
from mnist_exp.sweeps.stopping.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    TruncationSelectionPolicy,
)
from mnist_exp.sweeps.stopping.policy import Policy

#: Type in Azure ML's YAML -> class of the policy.
POLICIES: Mapping[str, type[Policy]] = {
    kind.type: kind for kind in (BanditPolicy, MedianStoppingPolicy, TruncationSelectionPolicy)
}

#: Type of the policy -> fields that have no default.
_REQUIRED = {"truncation_selection": ["truncation_percentage"]}
#: Fields that are whole numbers.
_WHOLE = {"evaluation_interval", "delay_evaluation", "truncation_percentage"}


def parse_policy(
    raw: Mapping[str, Any] | None, where: str = "sweep.early_termination"
) -> tuple[Policy | None, list[str]]:
    """Read an early-termination policy.

    Args:
        raw: A mapping with `type` and the fields of the type; None for no policy.
        where: The config key of the policy.

    Returns:
        A pair: the policy (None if there is no policy, or if there are faults), and the faults, one
        line per fault.
    """
    if raw is None:
        return None, []
    part = Fields(raw, where)
    known, kind = ", ".join(POLICIES), part.raw.pop("type", None)
    if not isinstance(kind, str) or kind not in POLICIES:
        near = did_you_mean(kind, POLICIES) if isinstance(kind, str) else ""
        remedy = f"to run without a policy, set {where}=null"
        part.fault("type", f"must be one of {known}, got {shown(kind)}; {remedy}{near}")
        for name in sorted(_WHOLE):
            part.integer(name, 0)
        return None, part.faults
    names = [field.name for field in fields(POLICIES[kind])]
    part.only(names, kind)
    part.required(_REQUIRED.get(kind, []), kind)
    values = {
        name: part.integer(name, 0) if name in _WHOLE else part.number(name)
        for name in names
        if name in part.raw
    }
    read = {name: value for name, value in values.items() if value is not None}
    if not all(name in read for name in _REQUIRED.get(kind, [])):
        return None, part.faults
    policy = POLICIES[kind](**read)  # type: ignore[arg-type]
    for name, text in policy.faults():
        # A fault without a field name means that slack_factor and slack_amount together break a
        # rule. Do not report such a fault if one of these two values could not be read, because
        # that value has a fault.
        if name or values.keys() - read.keys() <= _WHOLE:
            part.fault(name, text)
    return (None if part.faults else policy), part.faults
