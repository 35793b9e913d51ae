"""What a command changes of an endpoint's record: pure functions, without files and processes.

They stand by themselves so that every fault of an update is found before anything is written.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from mnist_exp.errors import ConfigError, ConflictError
from mnist_exp.serving.files import EndpointRecord
from mnist_exp.specs import EndpointSpec
from mnist_exp.traffic import overlap_faults, share_faults, unknown_deployment_faults


def updated(
    before: EndpointRecord, spec: EndpointSpec, deployments: Collection[str], now: float
) -> EndpointRecord:
    """Return the record as the spec wants it; what is None or empty there stays as it was.

    Args:
        before: The record there is, or a new one.
        spec: What is asked for.
        deployments: The names of the endpoint's deployments.
        now: Seconds of Unix time, from which the time to live counts.

    Raises:
        ConfigError: The traffic breaks Azure's rules.
        ConflictError: The endpoint has another port.
    """
    if before.port and spec.port not in (None, before.port):
        raise port_conflict(before, spec.port)
    live = _shares(spec.traffic, before.traffic)
    mirrored = _shares(spec.mirror_traffic, before.mirror_traffic)
    faults = [
        *unknown_deployment_faults(spec.traffic, spec.mirror_traffic, deployments),
        *share_faults(spec.traffic, spec.mirror_traffic),
        *overlap_faults(live, mirrored),
    ]
    if faults:
        raise ConfigError(faults)
    return replace(
        before,
        # Which one it is otherwise is known when the front listens.
        port=before.port or spec.port or 0,
        auth_mode=spec.auth_mode.value if spec.auth_mode else before.auth_mode,
        description=spec.description or before.description,
        traffic=live,
        mirror_traffic=mirrored,
        token_lifetime=spec.token_lifetime or before.token_lifetime,
        expires=before.expires if spec.ttl is None else now + spec.ttl,
    )


def port_conflict(record: EndpointRecord, port: int | None) -> ConflictError:
    """Return the error that an endpoint keeps the port it has."""
    return ConflictError(
        f"endpoint.port: endpoint {record.name} stays at {record.port}, got {port}; "
        "leave endpoint.port out, or make another endpoint"
    )


def _shares(asked: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """Return the shares from now on: what is asked for, or what there was, without zeros."""
    return {name: percent for name, percent in (asked or before).items() if percent}
