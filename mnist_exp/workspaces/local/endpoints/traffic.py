"""The rules of an endpoint's traffic, live and mirrored.

https://learn.microsoft.com/azure/machine-learning/concept-endpoints-online
"""

from collections.abc import Collection, Mapping

#: Percent of the live traffic that may be copied.
MOST_MIRRORED = 50


def traffic_faults(traffic: Mapping[str, int], deployments: Collection[str]) -> list[str]:
    """Return the rules that `traffic` breaks for an endpoint with these deployments."""
    faults = _faults("endpoint.traffic", traffic, deployments)
    if not faults and (total := sum(traffic.values())) not in (0, 100):
        faults.append(f"endpoint.traffic: must sum to 0 or 100, got {total}")
    return faults


def mirror_faults(
    mirror: Mapping[str, int], traffic: Mapping[str, int], deployments: Collection[str]
) -> list[str]:
    """Return the rules that mirrored traffic breaks beside this live traffic."""
    where = "endpoint.mirror_traffic"
    faults = _faults(where, mirror, deployments)
    mirrored = sorted(name for name, percent in mirror.items() if percent)
    if len(mirrored) > 1:
        faults.append(f"{where}: must name one deployment, got {', '.join(mirrored)}")
    for name in mirrored:
        if mirror[name] > MOST_MIRRORED:
            faults.append(f"{where}.{name}: must be at most {MOST_MIRRORED}, got {mirror[name]}")
        if traffic.get(name):
            faults.append(
                f"{where}.{name}: must name a deployment without live traffic, and it has "
                f"{traffic[name]} percent; take that away first"
            )
    return faults


def _faults(where: str, shares: Mapping[str, int], deployments: Collection[str]) -> list[str]:
    known = ", ".join(sorted(deployments)) or "none yet: deploy first, then set traffic"
    faults = [
        f"{where}.{name}: must name a deployment of the endpoint; there are: {known}"
        for name in shares
        if name not in deployments
    ]
    faults += [
        f"{where}.{name}: must be a whole number from 0 to 100 percent, got {percent!r}"
        for name, percent in shares.items()
        if not _is_percent(percent)
    ]
    return faults


def _is_percent(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100
