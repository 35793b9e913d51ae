"""What Azure has taken out of service, with dates and successors.

Checked 2026-11. Sources: https://learn.microsoft.com/azure/virtual-machines/sizes/retirement
and the list of curated environments,
https://learn.microsoft.com/azure/machine-learning/resource-curated-environments
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class _Retirement:
    """A family of names that is gone; `date` is ISO 8601."""

    pattern: str
    date: str
    successor: str


_RETIRED_SIZES = (
    _Retirement(r"standard_nc(6|12|24)(r)?(_promo)?", "2023-08-31", "STANDARD_NC4AS_T4_V3"),
    _Retirement(r"standard_nc(6|12|24)(r)?s_v2", "2023-08-31", "STANDARD_NC4AS_T4_V3"),
    _Retirement(r"standard_nc(6|12|24)(r)?s_v3", "2025-09-30", "STANDARD_NC24ADS_A100_V4"),
    _Retirement(r"standard_nd(6|12|24)(r)?s", "2023-08-31", "STANDARD_NC24ADS_A100_V4"),
    _Retirement(r"standard_nv(6|12|24)(_promo)?", "2023-08-31", "STANDARD_NV6ADS_A10_V5"),
)

CURATED_SUCCESSOR = "AzureML-tensorflow-2.16-cuda12@latest"
#: A curated TensorFlow environment before 2.16, with or without a registry around its name.
_OLD_TENSORFLOW = re.compile(r"tensorflow-2\.(\d+)[-a-z0-9.]*", re.IGNORECASE)
_OLDEST_TENSORFLOW_MINOR = 16


def size_warning(size: str) -> str | None:
    """Return one line if Azure has retired the VM size, None if it has not."""
    for retired in _matching(size):
        return (
            f"compute.size: {size} was retired on {retired.date}, Azure will refuse it; "
            f"use compute.size={retired.successor}"
        )
    return None


def environment_warning(name: str, where: str = "env") -> str | None:
    """Return one line if the curated environment is gone, None if it is not known to be.

    Args:
        name: The environment's name.
        where: The config key of the environment.
    """
    found = _OLD_TENSORFLOW.search(name)
    if found is None or int(found[1]) >= _OLDEST_TENSORFLOW_MINOR:
        return None
    return (
        f"{where}.name: the curated environment {name} was removed from Azure ML; "
        f"use {where}.name={CURATED_SUCCESSOR}"
    )


def _matching(size: str) -> Iterator[_Retirement]:
    return (entry for entry in _RETIRED_SIZES if re.fullmatch(entry.pattern, size.lower()))
