"""An endpoint's traffic: what may be asked of it, told before anything is deployed."""

from collections.abc import Collection, Iterator, Mapping

from mnist_exp.config import EndpointConfig
from mnist_exp.results import Endpoint
from mnist_exp.sweeps.fields import did_you_mean

#: Percent of the traffic that an example gives to a deployment without any.
_SOME = 10


def asks_what_is_there(endpoint: EndpointConfig) -> bool:
    """Whether what is asked for depends on what is deployed at the endpoint already."""
    named = endpoint.traffic or endpoint.mirror_traffic
    return bool(named or endpoint.rollout.steps) or endpoint.regenerate_key is not None


def traffic_faults(endpoint: EndpointConfig, current: Endpoint | None) -> list[str]:
    """Return why traffic, mirroring or rollout cannot be what is asked for.

    Args:
        endpoint: What is asked for.
        current: The endpoint as it is; None if it is still to be made.
    """
    known = {one.name for one in current.deployments} if current else set()
    if endpoint.regenerate_key is None:
        known.add(endpoint.deployment.name)
    found = [
        *_unknown("endpoint.traffic", endpoint.traffic, known),
        *_unknown("endpoint.mirror_traffic", endpoint.mirror_traffic, known),
    ]
    if current is not None:
        found += [*_both(endpoint, current), *_rollout(endpoint, current)]
    return found


def shares_text(traffic: Mapping[str, int]) -> str:
    """Return traffic as a person reads it."""
    return ", ".join(f"{name} {percent} %" for name, percent in traffic.items())


def how_to_give_some(endpoint: Endpoint, name: str) -> str:
    """Return a line for a deployment that is there and has no traffic."""
    largest = _largest(endpoint.traffic)
    some = min(_SOME, endpoint.traffic[largest])
    example = {**endpoint.traffic, largest: endpoint.traffic[largest] - some, name: some}
    return (
        f"{name} has no traffic, and an endpoint that has some keeps it as it is "
        f"({shares_text(endpoint.traffic)}); give it some with stage=deploy "
        f"endpoint.name={endpoint.name} {_override(example)}"
    )


def _unknown(where: str, shares: Mapping[str, int], known: Collection[str]) -> Iterator[str]:
    listed = ", ".join(sorted(known)) or "none; deploy first"
    for name in shares:
        if name not in known:
            yield (
                f"{where}.{name}: must name a deployment of the endpoint, or the one that is being "
                f"made; there are: {listed}{did_you_mean(name, known)}"
            )


def _both(endpoint: EndpointConfig, current: Endpoint) -> Iterator[str]:
    """Live and mirrored traffic for the same deployment, one of the two as it was before."""
    if endpoint.rollout.steps or (endpoint.traffic and endpoint.mirror_traffic):
        return
    live = endpoint.traffic or current.traffic
    for name, percent in (endpoint.mirror_traffic or current.mirror_traffic).items():
        if percent and live.get(name):
            yield (
                f"endpoint.mirror_traffic.{name}: must name a deployment without live traffic, "
                f"got {percent} % for one with {live[name]} %; give it one of the two, with "
                "endpoint.traffic and endpoint.mirror_traffic together"
            )


def _rollout(endpoint: EndpointConfig, current: Endpoint) -> Iterator[str]:
    """A rollout replaces what its deployment was: nobody may be asking that."""
    new = endpoint.deployment.name
    if not endpoint.rollout.steps or not current.traffic.get(new):
        return
    yield (
        "endpoint.deployment.name: must name a deployment without traffic for a rollout, "
        f"got {new} with {current.traffic[new]} %; {_remedy(current, new)}"
    )


def _remedy(current: Endpoint, new: str) -> str:
    idle = [one.name for one in current.deployments if not current.traffic.get(one.name)]
    if idle:
        return f"name {idle[0]}, which has none, with endpoint.deployment.name={idle[0]}"
    others = {name: share for name, share in current.traffic.items() if name != new}
    if not others:
        return "name a new one with endpoint.deployment.name=NAME"
    finish, undo = _override({new: 100}), _override({_largest(others): 100})
    return (
        f"finish the rollout before with stage=deploy endpoint.name={current.name} {finish}, "
        f"or undo it with {undo}"
    )


def _largest(traffic: Mapping[str, int]) -> str:
    return max(traffic, key=lambda name: traffic[name])


def _override(traffic: Mapping[str, int]) -> str:
    """Return the override as a shell takes it."""
    pairs = ", ".join(f"{name}: {percent}" for name, percent in traffic.items())
    return f"'endpoint.traffic={{{pairs}}}'"
