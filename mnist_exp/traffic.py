"""The rules for the live and the mirrored traffic of an endpoint, and texts about the traffic.

Mirrored traffic means copies of requests. A caller never gets the answer to a copy.
The checks of the config, stage=deploy and the local workspace use these rules. The checks know only
the traffic in the config. The stage and the workspace also know the current traffic of the
endpoint.
https://learn.microsoft.com/azure/machine-learning/concept-endpoints-online
"""

from collections.abc import Collection, Iterator, Mapping

from mnist_exp.sweeps.fields import did_you_mean

#: Maximum percentage of the live traffic that may be mirrored.
MAX_MIRRORED = 50
#: Percentage that a deployment without traffic gets in an example command.
_EXAMPLE_SHARE = 10
_LIVE = "endpoint.traffic"
_MIRRORED = "endpoint.mirror_traffic"


def share_faults(live: Mapping[str, int], mirrored: Mapping[str, int]) -> list[str]:
    """Return one line for each rule that the percentages of one command break.

    Args:
        live: Deployment name -> percentage of the live traffic.
        mirrored: Deployment name -> percentage of the requests that are copied to the deployment.
    """
    found = [*_range_faults(_LIVE, live, 100), *_range_faults(_MIRRORED, mirrored, MAX_MIRRORED)]
    if all(isinstance(share, int) for share in live.values()):
        total = sum(live.values())
        if total not in (0, 100):
            found.append(f"{_LIVE}: must sum to 0 or 100, got {total}")
    copied_to = sorted(name for name, share in mirrored.items() if share)
    if len(copied_to) > 1:
        found.append(f"{_MIRRORED}: must name one deployment, got {', '.join(copied_to)}")
    return found


def overlap_faults(live: Mapping[str, int], mirrored: Mapping[str, int]) -> list[str]:
    """Return a line for each deployment that would get both live and mirrored traffic."""
    return [
        f"{_MIRRORED}.{name}: must name a deployment without live traffic, got {share} % for a "
        f"deployment with {live[name]} % of the live traffic; set endpoint.traffic and "
        f"endpoint.mirror_traffic in one command, and give {name} only one kind of traffic"
        for name, share in mirrored.items()
        if share and live.get(name)
    ]


def unknown_deployment_faults(
    live: Mapping[str, int], mirrored: Mapping[str, int], deployments: Collection[str]
) -> list[str]:
    """Return a line for each name that is not among the endpoint's deployments."""
    known = ", ".join(sorted(deployments)) or "none; deploy first"
    return [
        f"{key}.{name}: must name a deployment of the endpoint; there are: {known}"
        f"{did_you_mean(name, deployments)}"
        for key, shares in ((_LIVE, live), (_MIRRORED, mirrored))
        for name in shares
        if name not in deployments
    ]


def rollout_faults(
    endpoint: str, new: str, live: Mapping[str, int], deployments: Collection[str]
) -> list[str]:
    """Return one line if the deployment that a rollout would replace has live traffic, else none.

    Args:
        endpoint: The endpoint's name.
        new: The deployment that the rollout would replace.
        live: The endpoint's live traffic.
        deployments: The names of the endpoint's deployments.
    """
    if not live.get(new):
        return []
    return [
        "endpoint.deployment.name: must name a deployment without traffic for a rollout, "
        f"got {new} with {live[new]} %; {_rollout_remedy(endpoint, new, live, deployments)}"
    ]


def deletion_fault(
    endpoint: str,
    deployment: str,
    live: Mapping[str, int],
    mirrored: Mapping[str, int],
    deployments: Collection[str],
) -> str | None:
    """Return a line if a deployment has traffic. Azure does not delete such a deployment.

    Args:
        endpoint: The endpoint's name.
        deployment: The deployment to delete.
        live: The endpoint's live traffic.
        mirrored: The endpoint's mirrored traffic.
        deployments: The names of the endpoint's deployments.
    """
    share, copies = live.get(deployment), mirrored.get(deployment)
    if not share and not copies:
        return None
    kind = f"{share} % of the traffic" if share else f"{copies} % mirrored traffic"
    others = [name for name in deployments if name != deployment]
    changes = f"'{_MIRRORED}={{{deployment}: 0}}'" if copies else ""
    if share and others:
        target = max(others, key=lambda name: live.get(name, 0))
        changes = _override({deployment: 0, target: 100})
    first = f"first run mnist-exp stage=deploy endpoint.name={endpoint} {changes}, or "
    return (
        f"endpoint.deployment.name: must name a deployment without traffic, got {deployment} with "
        f"{kind} of {endpoint}; {first if changes else ''}delete the whole endpoint with "
        f"mnist-exp stage=cleanup endpoint.name={endpoint}"
    )


def traffic_text(live: Mapping[str, int]) -> str:
    """Return live traffic as `blue 90 %, green 10 %`."""
    return ", ".join(f"{name} {share} %" for name, share in live.items())


def no_traffic_hint(endpoint: str, new: str, live: Mapping[str, int]) -> str:
    """Return a hint that a deployment has no traffic, with a command that changes the traffic."""
    largest = _largest(live)
    share = min(_EXAMPLE_SHARE, live[largest])
    example = {**live, largest: live[largest] - share, new: share}
    return (
        f"{new} has no traffic: the endpoint keeps its traffic ({traffic_text(live)}); to give "
        f"{new} traffic, run mnist-exp stage=deploy endpoint.name={endpoint} {_override(example)}"
    )


def _range_faults(key: str, shares: Mapping[str, int], most: int) -> Iterator[str]:
    for name, share in shares.items():
        is_whole = isinstance(share, int) and not isinstance(share, bool)
        if not is_whole or not 0 <= share <= most:
            yield f"{key}.{name}: must be a whole percentage from 0 to {most}, got {share!r}"


def _rollout_remedy(
    endpoint: str, new: str, live: Mapping[str, int], deployments: Collection[str]
) -> str:
    idle = [name for name in deployments if not live.get(name)]
    if idle:
        return f"use {idle[0]}, which has no traffic: endpoint.deployment.name={idle[0]}"
    others = {name: share for name, share in live.items() if name != new}
    if not others:
        return "choose the name of a new deployment with endpoint.deployment.name=NAME"
    finish, undo = _override({new: 100}), _override({_largest(others): 100})
    return (
        f"finish the last rollout with mnist-exp stage=deploy endpoint.name={endpoint} {finish}, "
        f"or undo the last rollout with {undo}"
    )


def _largest(live: Mapping[str, int]) -> str:
    return max(live, key=lambda name: live[name])


def _override(live: Mapping[str, int]) -> str:
    """Return the override that sets this traffic, quoted for a shell."""
    pairs = ", ".join(f"{name}: {share}" for name, share in live.items())
    return f"'endpoint.traffic={{{pairs}}}'"
