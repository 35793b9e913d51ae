"""What stands between a config and Azure: looked at without changing anything."""

import math
import re
from collections.abc import Iterator
from typing import Any

from mnist_exp.config import ComputeType
from mnist_exp.errors import MnistExpError
from mnist_exp.specs import ComputeSpec, DeploymentSpec
from mnist_exp.workspaces.azure.computes import Computes
from mnist_exp.workspaces.azure.connection import Connection
from mnist_exp.workspaces.azure.retrying import Retrying
from mnist_exp.workspaces.base import Finding, Level

__all__ = ["diagnose"]

#: Managed endpoints keep a fifth more for upgrades.
#: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
RESERVE = 1.2


def diagnose(
    connection: Connection,
    retrying: Retrying,
    computes: Computes,
    compute: ComputeSpec,
    deployment: DeploymentSpec,
) -> Iterator[Finding]:
    """Yield what is found, from signing in to quota; what follows a failure is not looked at."""
    try:
        workspace = retrying.call(
            "workspace",
            lambda: connection.client.workspaces.get(connection.workspace_name),
        )
    except MnistExpError as error:
        yield Finding(Level.FAIL, "workspace", str(error))
        yield Finding(Level.WARN, "compute", "not looked at: the workspace cannot be reached")
        return
    yield Finding(Level.OK, "credential", "signed in")
    yield Finding(Level.OK, "workspace", f"{workspace.name} in {workspace.location}")
    yield from _compute(computes, compute)
    yield from _quota(connection, retrying, compute, deployment)


def _compute(computes: Computes, spec: ComputeSpec) -> Iterator[Finding]:
    if spec.type is not ComputeType.amlcompute:
        yield Finding(Level.OK, "compute", f"{spec.type.value}: nothing to create")
        return
    try:
        found = computes.find(spec.name)
    except MnistExpError as error:
        yield Finding(Level.FAIL, "compute", str(error))
        return
    if found is None:
        yield Finding(
            Level.WARN, "compute", f"{spec.name} is not there; mnist-exp stage=compute creates it"
        )
    elif (found.size or "").lower() != (spec.size or found.size or "").lower():
        yield Finding(
            Level.FAIL,
            "compute",
            f"{spec.name} has {found.size}, not {spec.size}; name another with compute.name=...",
        )
    else:
        yield Finding(Level.OK, "compute", f"{spec.name}: {found.size}")


def _quota(
    connection: Connection,
    retrying: Retrying,
    compute: ComputeSpec,
    deployment: DeploymentSpec,
) -> Iterator[Finding]:
    operations = connection.client.compute
    try:
        sizes = retrying.call("quota", lambda: list(operations.list_sizes()))
        usages = retrying.call("quota", lambda: list(operations.list_usage()))
    except MnistExpError as error:
        yield Finding(Level.WARN, "quota", str(error))
        return
    known = {
        str(size.name).lower(): (_plain(size.family), int(_field(size, "vCPUs", "v_cp_us") or 0))
        for size in sizes
    }
    free = {
        _plain(_name(one)): int(_field(one, "limit", "limit") or 0)
        - int(_field(one, "currentValue", "current_value") or 0)
        for one in usages
    }
    asked = [
        ("compute.max_instances", compute.size, compute.max_instances),
        (
            "endpoint.deployment",
            deployment.instance_type,
            math.ceil(RESERVE * deployment.instance_count),
        ),
    ]
    for key, size, count in asked:
        if size:
            yield _fits(key, size, count, known, free)


def _fits(
    key: str, size: str, count: int, known: dict[str, tuple[str, int]], free: dict[str, int]
) -> Finding:
    if size.lower() not in known:
        return Finding(
            Level.FAIL, key, f"{size} is not offered in this region; choose another size"
        )
    family, cores = known[size.lower()]
    left = next((value for name, value in free.items() if name.startswith(family)), None)
    if left is None or not cores:
        return Finding(Level.WARN, key, f"no quota is told for {size}; look in the studio")
    needed = count * cores
    text = f"{count} x {size} take {needed} cores of its family, {left} are left"
    if needed <= left:
        return Finding(Level.OK, key, text)
    remedy = "ask for more quota in the studio, or take fewer or smaller machines"
    return Finding(Level.FAIL, key, f"{text}; {remedy}")


def _name(usage: object) -> object:
    name = getattr(usage, "name", None)
    return name.get("value") if isinstance(name, dict) else getattr(name, "value", name)


def _field(entity: object, sent: str, documented: str) -> Any:
    """Return a field: the SDK leaves the documented one empty and sets one named as it was sent."""
    return getattr(entity, sent, None) or getattr(entity, documented, None)


def _plain(name: object) -> str:
    """Return a family's name so that `standardDSv2Family` begins `Standard DSv2 Family ...`."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())
