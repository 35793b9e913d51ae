"""The endpoint group: the endpoint and its deployment."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from mnist_exp.checks.environment import environment_faults
from mnist_exp.config import ExperimentConfig
from mnist_exp.names import endpoint_name_fault

__all__ = ["deployment_faults", "endpoint_faults"]


def endpoint_faults(config: ExperimentConfig) -> Iterator[str]:
    """The name, the request and the traffic."""
    endpoint = config.endpoint
    name = endpoint.name if endpoint.name is not None else f"{endpoint.name_prefix}00000000"
    if fault := endpoint_name_fault(name):
        key = "name" if endpoint.name is not None else "name_prefix"
        yield f"endpoint.{key}: {fault}; Azure allows nothing else"
    if endpoint.samples < 1:
        yield f"endpoint.samples: must be at least 1, got {endpoint.samples}"
    if endpoint.port is not None and not 1024 <= endpoint.port <= 65535:
        yield f"endpoint.port: must be from 1024 to 65535, got {endpoint.port}"
    if endpoint.request_file and not Path(endpoint.request_file).is_file():
        yield (
            f"endpoint.request_file: must be a file, got {endpoint.request_file}, "
            "which does not exist"
        )
    yield from _traffic(endpoint.traffic)


def _traffic(traffic: Mapping[str, int]) -> Iterator[str]:
    for name, percent in traffic.items():
        if not 0 <= percent <= 100:
            yield f"endpoint.traffic.{name}: must be from 0 to 100 percent, got {percent}"
    if sum(traffic.values()) not in (0, 100):
        yield f"endpoint.traffic: must sum to 0 or 100, got {sum(traffic.values())}"


def deployment_faults(config: ExperimentConfig) -> Iterator[str]:
    """The code, the instances and the request settings of the deployment."""
    deployment = config.endpoint.deployment
    where = "endpoint.deployment"
    if fault := endpoint_name_fault(deployment.name):
        yield f"{where}.name: {fault}; Azure allows nothing else"
    if not Path(deployment.code).is_dir():
        yield f"{where}.code: must be a folder, got {deployment.code}, which does not exist"
    elif not Path(deployment.code, deployment.scoring_script).is_file():
        yield (
            f"{where}.scoring_script: must be a file in {where}.code ({deployment.code}), "
            f"got {deployment.scoring_script}"
        )
    if not 1 <= deployment.instance_count <= 50:
        yield f"{where}.instance_count: must be from 1 to 50, got {deployment.instance_count}"
    settings = deployment.request_settings
    if not 1 <= settings.request_timeout_ms <= 180_000:
        yield (
            f"{where}.request_settings.request_timeout_ms: must be from 1 to 180000, "
            f"got {settings.request_timeout_ms}"
        )
    if settings.max_concurrent_requests_per_instance < 1:
        yield (
            f"{where}.request_settings.max_concurrent_requests_per_instance: must be at least 1, "
            f"got {settings.max_concurrent_requests_per_instance}"
        )
    yield from environment_faults(f"{where}.environment", deployment.environment)
