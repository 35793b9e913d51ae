"""What stands between a config and Azure: looked at without changing anything."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mnist_exp.config import ComputeConfig, ComputeTier, ComputeType
from mnist_exp.errors import MnistExpError
from mnist_exp.results import Finding, Level
from mnist_exp.specs import DeploymentSpec
from mnist_exp.workspaces.azure.computes import Computes
from mnist_exp.workspaces.azure.connection import Connection
from mnist_exp.workspaces.azure.retrying import Retrying

#: Managed endpoints keep a fifth more for upgrades.
#: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
_RESERVE = 1.2
#: Cores of all families together, for dedicated nodes; and for those of low priority, which count
#: towards no family. Names as `_plain` has them.
_REGIONAL = {
    ComputeTier.dedicated: "totalclusterdedicatedregionalvcpus",
    ComputeTier.low_priority: "totalclusterlowpriorityregionalvcpus",
}


@dataclass(frozen=True)
class _Asked:
    """Machines that the config asks for under a key."""

    key: str
    size: str
    count: int
    tier: ComputeTier = ComputeTier.dedicated


@dataclass(frozen=True)
class _Offered:
    """What the region has: size -> (family, cores), and usage name -> cores that are left."""

    sizes: Mapping[str, tuple[str, int]]
    left: Mapping[str, int]

    def pools(self, asked: _Asked) -> Mapping[str, int | None]:
        """Return, by what it is called, how many cores are left in each pool that it draws on."""
        whole = self.left.get(_REGIONAL[asked.tier])
        if asked.tier is ComputeTier.low_priority:
            return {"low priority in the region": whole}
        family = self.sizes[asked.size.lower()][0]
        own = next((left for name, left in self.left.items() if name.startswith(family)), None)
        # A region that tells no total has none.
        return {"its family": own} | ({} if whole is None else {"the region": whole})


def diagnose(
    connection: Connection,
    retrying: Retrying,
    computes: Computes,
    compute: ComputeConfig,
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


def _compute(computes: Computes, spec: ComputeConfig) -> Iterator[Finding]:
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
    compute: ComputeConfig,
    deployment: DeploymentSpec,
) -> Iterator[Finding]:
    operations = connection.client.compute
    try:
        sizes = retrying.call("quota", lambda: list(operations.list_sizes()))
        usages = retrying.call("quota", lambda: list(operations.list_usage()))
    except MnistExpError as error:
        yield Finding(Level.WARN, "quota", str(error))
        return
    offered = _Offered(
        {
            str(size.name).lower(): (
                _plain(size.family),
                int(_field(size, "vCPUs", "v_cp_us") or 0),
            )
            for size in sizes
        },
        {
            _plain(_name(one)): int(_field(one, "limit", "limit") or 0)
            - int(_field(one, "currentValue", "current_value") or 0)
            for one in usages
        },
    )
    for asked in _all_asked(compute, deployment):
        yield from _fits(asked, offered)


def _all_asked(compute: ComputeConfig, deployment: DeploymentSpec) -> Iterator[_Asked]:
    if compute.size:
        yield _Asked("compute.max_instances", compute.size, compute.max_instances, compute.tier)
    count = math.ceil(_RESERVE * deployment.instance_count)
    yield _Asked("endpoint.deployment", deployment.instance_type, count)


def _fits(asked: _Asked, offered: _Offered) -> Iterator[Finding]:
    key, size = asked.key, asked.size
    if size.lower() not in offered.sizes:
        yield Finding(Level.FAIL, key, f"{size} is not offered in this region; choose another size")
        return
    _, cores = offered.sizes[size.lower()]
    needed = asked.count * cores
    for pool, left in offered.pools(asked).items():
        if left is None or not cores:
            text = f"no quota of {pool} is told for {size}; look in the studio"
            yield Finding(Level.WARN, key, text)
            continue
        text = f"{asked.count} x {size} take {needed} cores of {pool}, {left} are left"
        if needed <= left:
            yield Finding(Level.OK, key, text)
        else:
            remedy = "ask for more quota in the studio, or take fewer or smaller machines"
            yield Finding(Level.FAIL, key, f"{text}; {remedy}")


def _name(usage: object) -> object:
    name = getattr(usage, "name", None)
    return name.get("value") if isinstance(name, dict) else getattr(name, "value", name)


def _field(entity: object, sent: str, documented: str) -> Any:
    """Return a field: the SDK leaves the documented one empty and sets one named as it was sent."""
    return getattr(entity, sent, None) or getattr(entity, documented, None)


def _plain(name: object) -> str:
    """Return a family's name so that `standardDSv2Family` begins `Standard DSv2 Family ...`."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())
