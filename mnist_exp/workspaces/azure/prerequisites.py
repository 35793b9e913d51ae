"""Findings of `stage=doctor` about the network, the sign-in, the workspace and its resources.

The requests do not change anything on Azure.
"""

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from mnist_exp.config import ComputeConfig, ComputeTier, ComputeType
from mnist_exp.errors import MnistExpError
from mnist_exp.results import Finding, Level
from mnist_exp.specs import DeploymentSpec
from mnist_exp.workspaces.azure.computes import Computes, has_size
from mnist_exp.workspaces.azure.network import (
    CA_VARIABLES,
    OTHER_CA_VARIABLES,
    ca_file_fault,
    ca_variable,
    connection_fault,
    proxy_of,
)
from mnist_exp.workspaces.azure.retries import RetryPolicy
from mnist_exp.workspaces.azure.workspace_client import WorkspaceClient

#: Azure reserves 20 % more instances for upgrades. The quota must therefore cover the number of
#: instances of a deployment, multiplied by this factor.
#: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
_UPGRADE_RESERVE = 1.2
#: Node priority -> name of the regional quota, which counts the cores of all VM families.
#: Low-priority nodes count only towards their regional quota, not towards the quota of a family.
#: The names are in the form that `_plain` returns.
_REGIONAL_QUOTAS = {
    ComputeTier.dedicated: "totalclusterdedicatedregionalvcpus",
    ComputeTier.low_priority: "totalclusterlowpriorityregionalvcpus",
}


@dataclass(frozen=True)
class _Demand:
    """Machines that one config key requests."""

    key: str
    size: str
    count: int
    tier: ComputeTier = ComputeTier.dedicated


@dataclass(frozen=True)
class _Region:
    """The region's VM sizes and quotas.

    Attributes:
        sizes: VM size -> its family and its number of cores.
        available: Name of a quota -> number of cores that are not in use.
    """

    sizes: Mapping[str, tuple[str, int]]
    available: Mapping[str, int]

    def quotas(self, demand: _Demand) -> Mapping[str, int | None]:
        """Return the available cores of each quota that the machines count towards.

        Returns:
            Description of a quota -> number of available cores; None if Azure does not report the
            quota.
        """
        regional = self.available.get(_REGIONAL_QUOTAS[demand.tier])
        if demand.tier is ComputeTier.low_priority:
            return {"the region's quota for low-priority nodes": regional}
        family = self.sizes[demand.size.lower()][0]
        own = next((n for name, n in self.available.items() if name.startswith(family)), None)
        quotas = {"the quota for the VM family": own}
        # Some regions have no regional quota. Then only the quota for the VM family applies.
        return quotas if regional is None else quotas | {"the region's quota": regional}


def check_prerequisites(
    client: WorkspaceClient,
    retries: RetryPolicy,
    computes: Computes,
    compute: ComputeConfig,
    deployment: DeploymentSpec,
) -> Iterator[Finding]:
    """Yield the findings about the network, the sign-in, the workspace and the resources in it.

    If the workspace cannot be reached, the compute target and the quota are not checked.
    """
    for finding in _check_access(client, retries):
        yield finding
        if finding.level is Level.FAIL:
            yield Finding(Level.WARN, "workspace", "not checked, because Azure cannot be reached")
            return
    try:
        workspace = retries.call(
            "workspace",
            lambda: client.sdk.workspaces.get(client.workspace_name),
        )
    except MnistExpError as error:
        yield Finding(Level.FAIL, "workspace", str(error))
        yield Finding(Level.WARN, "compute", "not checked, because the workspace cannot be reached")
        return
    yield Finding(Level.OK, "workspace", f"{workspace.name} in {workspace.location}")
    yield _check_compute(computes, compute)
    yield from _check_quota(client, retries, _demands(compute, deployment))


def _check_access(client: WorkspaceClient, retries: RetryPolicy) -> Iterator[Finding]:
    """Yield findings about certificates, the proxy, the connection and the sign-in."""
    yield from _check_certificates()
    address = client.resource_manager
    if proxy := proxy_of(address):
        yield Finding(Level.OK, proxy[0], f"requests to Azure use the proxy {proxy[1]}")
    if fault := connection_fault(address):
        yield Finding(Level.FAIL, "network", f"{address} cannot be reached: {fault}")
        return
    yield Finding(Level.OK, "network", f"{address} answers")
    try:
        scope = f"{address}/.default"
        retries.call("credential", lambda: client.credential.get_token(scope))
    except MnistExpError as error:
        yield Finding(Level.FAIL, *_split(str(error)))
        return
    yield Finding(Level.OK, "workspace.credential", "signed in")


def _check_certificates() -> Iterator[Finding]:
    for variable in filter(os.environ.get, (*CA_VARIABLES, *OTHER_CA_VARIABLES)):
        fault = ca_file_fault(variable)
        if fault is None:
            text = f"{os.environ[variable]} contains certificates of authorities"
            yield Finding(Level.OK, variable, text)
        else:
            is_used = variable == ca_variable()
            yield Finding(Level.FAIL if is_used else Level.WARN, *_split(fault))


def _split(line: str) -> tuple[str, str]:
    what, _, text = line.partition(": ")
    return what, text


def _check_compute(computes: Computes, spec: ComputeConfig) -> Finding:
    match spec.type:
        case ComputeType.amlcompute:
            return _check_cluster(computes, spec)
        case ComputeType.local | ComputeType.serverless:
            return Finding(Level.OK, "compute", f"{spec.type.value}: no cluster has to be created")
        case unknown:
            assert_never(unknown)


def _check_cluster(computes: Computes, spec: ComputeConfig) -> Finding:
    try:
        found = computes.find(spec.name)
    except MnistExpError as error:
        return Finding(Level.FAIL, "compute", str(error))
    if found is None:
        text = f"{spec.name} does not exist; to create the cluster, run mnist-exp stage=compute"
        return Finding(Level.WARN, "compute", text)
    if not has_size(found, spec):
        text = (
            f"cluster {spec.name} has size {found.size}, not {spec.size}; choose another cluster "
            "with compute.name=..."
        )
        return Finding(Level.FAIL, "compute", text)
    return Finding(Level.OK, "compute", f"{spec.name}: {found.size}")


def _demands(compute: ComputeConfig, deployment: DeploymentSpec) -> list[_Demand]:
    count = math.ceil(_UPGRADE_RESERVE * deployment.instance_count)
    endpoint = _Demand("endpoint.deployment", deployment.instance_type, count)
    if not compute.size:
        return [endpoint]
    cluster = _Demand("compute.max_instances", compute.size, compute.max_instances, compute.tier)
    return [cluster, endpoint]


def _check_quota(
    client: WorkspaceClient, retries: RetryPolicy, demands: list[_Demand]
) -> Iterator[Finding]:
    operations = client.sdk.compute
    try:
        sizes = retries.call("quota", lambda: list(operations.list_sizes()))
        usages = retries.call("quota", lambda: list(operations.list_usage()))
    except MnistExpError as error:
        yield Finding(Level.WARN, "quota", str(error))
        return
    region = _Region(
        {
            str(size.name).lower(): (_plain(size.family), _count(size, "vCPUs", "v_cp_us"))
            for size in sizes
        },
        {
            _plain(_usage_name(usage)): _count(usage, "limit", "limit")
            - _count(usage, "currentValue", "current_value")
            for usage in usages
        },
    )
    for demand in demands:
        yield from _compare(demand, region)


def _compare(demand: _Demand, region: _Region) -> Iterator[Finding]:
    key, size = demand.key, demand.size
    if size.lower() not in region.sizes:
        yield Finding(Level.FAIL, key, f"{size} is not offered in this region; choose another size")
        return
    _, cores = region.sizes[size.lower()]
    needed = demand.count * cores
    for quota, available in region.quotas(demand).items():
        if available is None or not cores:
            text = f"Azure does not report {quota} for {size}; check the quota in Azure ML studio"
            yield Finding(Level.WARN, key, text)
            continue
        text = (
            f"{demand.count} x {size} need {needed} cores; {quota} has {available} cores available"
        )
        if needed <= available:
            yield Finding(Level.OK, key, text)
        else:
            remedy = "ask for more quota in Azure ML studio, or choose fewer or smaller machines"
            yield Finding(Level.FAIL, key, f"{text}; {remedy}")


def _usage_name(usage: object) -> object:
    name = getattr(usage, "name", None)
    return name.get("value") if isinstance(name, dict) else getattr(name, "value", name)


def _count(entity: object, sent: str, documented: str) -> int:
    """Return the value of an attribute that is a number; 0 if the attribute is missing.

    The SDK documents one name of the attribute, but may set only the name that Azure sends.

    Args:
        entity: An object of the SDK.
        sent: Name of the attribute in Azure's JSON.
        documented: Name of the attribute in the SDK's documentation.
    """
    value: Any = getattr(entity, sent, None) or getattr(entity, documented, None)
    return int(value or 0)


def _plain(name: object) -> str:
    """Return a name in lower case, with only its letters and digits.

    After this conversion, the name of a quota begins with the name of its VM family. For example,
    the quota of `standardDSv2Family` is `Standard DSv2 Family Cluster Dedicated vCPUs`.
    """
    return re.sub(r"[^a-z0-9]", "", str(name).lower())
