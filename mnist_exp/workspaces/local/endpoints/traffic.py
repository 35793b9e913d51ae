"""Who answers: percentages of an endpoint's requests, by deployment.

https://learn.microsoft.com/azure/machine-learning/concept-endpoints-online
"""

import random
from collections.abc import Collection, Mapping, Sequence

__all__ = ["busiest", "draw", "traffic_faults"]


def traffic_faults(traffic: Mapping[str, int], deployments: Collection[str]) -> list[str]:
    """Return the rules that `traffic` breaks for an endpoint with these deployments."""
    known = ", ".join(sorted(deployments)) or "none yet: deploy first, then set traffic"
    faults = [
        f"endpoint.traffic.{name}: must name a deployment of the endpoint; there are: {known}"
        for name in traffic
        if name not in deployments
    ]
    faults += [
        f"endpoint.traffic.{name}: must be a whole number from 0 to 100 percent, got {percent!r}"
        for name, percent in traffic.items()
        if not _is_percent(percent)
    ]
    if not faults and (total := sum(traffic.values())) not in (0, 100):
        faults.append(f"endpoint.traffic: must sum to 0 or 100, got {total}")
    return faults


def busiest(traffic: Mapping[str, int]) -> str | None:
    """Return the deployment with the most traffic; None if none has any."""
    served = _served(traffic)
    return max(served, key=lambda name: traffic[name]) if served else None


def draw(traffic: Mapping[str, int], generator: random.Random) -> str | None:
    """Return the deployment that gets the next request; None if none has traffic."""
    served = _served(traffic)
    if not served:
        return None
    return generator.choices(served, [traffic[name] for name in served])[0]


def _served(traffic: Mapping[str, int]) -> Sequence[str]:
    return sorted(name for name, percent in traffic.items() if percent > 0)


def _is_percent(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100
