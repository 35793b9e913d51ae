"""Rules by which the service refuses what the SDK accepts. ASSUMPTIONS.md lists each."""

import math
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.azure_emulator.wire import RefusalError

#: VM size -> (family, cores).
SIZES = {
    "standard_nc4as_t4_v3": ("Standard NCASv3_T4 Family Cluster Dedicated vCPUs", 4),
    "standard_nc24ads_a100_v4": ("Standard NCADSA100v4 Family Cluster Dedicated vCPUs", 24),
    "standard_ds3_v2": ("Standard DSv2 Family Cluster Dedicated vCPUs", 4),
    "standard_ds2_v2": ("Standard DSv2 Family Cluster Dedicated vCPUs", 2),
}
#: Quotas of all families together. Nodes of low priority count towards no family.
DEDICATED = "Total Cluster Dedicated Regional vCPUs"
LOW_PRIORITY = "Total Cluster Low Priority Regional vCPUs"
#: Curated environments for training, and for inference.
CURATED = ("AzureML-tensorflow-2.16-cuda12",)
INFERENCE = ("AzureML-minimal-py311-inference", "AzureML-mlflow-py312-inference")

COMPUTE_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{2,23}")
ENDPOINT_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{1,30}[a-zA-Z0-9]")
JOB_NAME = re.compile(r"[a-zA-Z0-9][-\w]{0,254}")
MODEL_NAME = re.compile(r"[a-zA-Z0-9][-\w.]{0,254}")
SWEPT_NAME = re.compile(r"[a-zA-Z_]\w*")
NAMES = {
    "compute": COMPUTE_NAME,
    "endpoint": ENDPOINT_NAME,
    "deployment": ENDPOINT_NAME,
    "job": JOB_NAME,
    "model": MODEL_NAME,
}


@dataclass
class Quota:
    """Cores that the subscription may use in the region, by quota."""

    limits: dict[str, int] = field(
        default_factory=lambda: {
            **{family: 100 for family, _ in SIZES.values()},
            DEDICATED: 200,
            LOW_PRIORITY: 100,
        }
    )
    used: dict[str, int] = field(default_factory=dict)

    def take(self, size: str, instances: int) -> None:
        """Reserve the cores of a deployment, and a fifth more for upgrades."""
        family, cores = size_of(size)
        needed = math.ceil(1.2 * instances) * cores
        free = self.limits[family] - self.used.get(family, 0)
        if needed > free:
            raise RefusalError(
                400,
                "OutOfQuota",
                f"Not enough quota available for {size} in SubscriptionId. Current usage/limit: "
                f"{self.used.get(family, 0)}/{self.limits[family]}. Additional needed: {needed}",
            )
        self.used[family] = self.used.get(family, 0) + needed

    def give_back(self, size: str, instances: int) -> None:
        """Release the cores of a deployment."""
        family, cores = size_of(size)
        self.used[family] -= math.ceil(1.2 * instances) * cores


def size_of(size: str) -> tuple[str, int]:
    """Return a VM size's family and cores."""
    if size.lower() not in SIZES:
        raise RefusalError(
            400, "BadRequest", f"The VM size {size} is not available in this region."
        )
    return SIZES[size.lower()]


def is_environment(
    identifier: str, versions: Container[tuple[str, str]], curated: Iterable[str]
) -> bool:
    """Whether there is such a version in the workspace, or such a curated environment."""
    name = identifier.removeprefix("azureml:")
    if "/environments/" in name and "/versions/" in name:
        parts = name.split("/")
        return (parts[-3], parts[-1]) in versions
    return any(name == f"{one}@latest" or f"/{one[8:]}/labels/latest" in name for one in curated)


def check_name(kind: str, name: str) -> None:
    """Check a name against the rule of its kind."""
    if not NAMES[kind].fullmatch(name):
        raise RefusalError(400, "BadArgument", f"{name} is not a valid {kind} name")


def check_traffic(traffic: Mapping[str, int], deployments: set[str]) -> None:
    """Check traffic: its sum is 0 or 100, and its deployments exist."""
    if unknown := {name for name, percent in traffic.items() if percent} - deployments:
        raise RefusalError(400, "BadArgument", f"traffic names no deployment: {sorted(unknown)}")
    if sum(traffic.values()) not in (0, 100):
        raise RefusalError(400, "BadArgument", f"traffic sums to {sum(traffic.values())}")


def check_mirror(
    mirror: Mapping[str, int], traffic: Mapping[str, int], deployments: set[str]
) -> None:
    """Check mirrored traffic: one deployment without live traffic, 50 percent at most."""
    if not mirror:
        return
    name, percent = next(iter(mirror.items()))
    if len(mirror) > 1 or not 0 <= percent <= 50 or name not in deployments or traffic.get(name):
        raise RefusalError(400, "BadArgument", f"mirror traffic cannot be {dict(mirror)}")


def check_search_space(names: Iterable[str]) -> None:
    """Check the names in a search space: a command cannot refer to other names."""
    for name in names:
        if not SWEPT_NAME.fullmatch(name):
            raise RefusalError(400, "UserError", f"{name} is not a valid name in a search space")


def check_same(before: Mapping[str, Any], after: Mapping[str, Any], *names: str) -> None:
    """Refuse a change of fields that cannot change."""
    changed = [name for name in names if before.get(name) != after.get(name)]
    if changed:
        raise RefusalError(409, "Conflict", f"these cannot be changed: {', '.join(changed)}")
