"""Checks of the endpoint group: the endpoint and its deployment."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from mnist_exp.checks.resources import environment_faults
from mnist_exp.checks.variables import variable_faults
from mnist_exp.config import (
    DeploymentConfig,
    EndpointConfig,
    ExperimentConfig,
    ProbeConfig,
    RolloutConfig,
)
from mnist_exp.errors import ConfigError
from mnist_exp.names import describe_path, endpoint_name_fault
from mnist_exp.traffic import MAX_MIRRORED, overlap_faults, share_faults

#: Environment variables that configure Azure ML's inference server. A local endpoint also reads
#: these variables.
#: https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
_SERVER_SETTINGS = ("WORKER_COUNT", "WORKER_TIMEOUT", "SCORING_TIMEOUT_MS")
_REQUEST_FILE = "endpoint.request_file"
#: Maximum number of bytes in a request: 10 MB.
#: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
_LARGEST_REQUEST = 10 * 1024 * 1024
#: Maximum number of concurrent requests. Each request uses a thread of a worker.
_MAX_CONCURRENT = 1000


def endpoint_faults(config: ExperimentConfig) -> Iterator[str]:
    """Yield one line for each fault of the endpoint, its request, its traffic or its rollout."""
    endpoint = config.endpoint
    name = endpoint.name if endpoint.name is not None else f"{endpoint.name_prefix}00000000"
    if fault := endpoint_name_fault(name):
        key = "name" if endpoint.name is not None else "name_prefix"
        yield f"endpoint.{key}: {fault}; this is Azure's rule"
    if endpoint.port is not None and not 1024 <= endpoint.port <= 65535:
        yield f"endpoint.port: must be from 1024 to 65535, got {endpoint.port}"
    for key, value in _at_least_one(endpoint):
        if value < 1:
            yield f"endpoint.{key}: must be at least 1, got {value}"
    yield from _request_file(endpoint.request_file)
    yield from share_faults(endpoint.traffic, endpoint.mirror_traffic)
    yield from overlap_faults(endpoint.traffic, endpoint.mirror_traffic)
    yield from _rollout(endpoint)


def _at_least_one(endpoint: EndpointConfig) -> Iterator[tuple[str, int]]:
    yield "samples", endpoint.samples
    yield "log_lines", endpoint.log_lines
    yield "token_lifetime", endpoint.token_lifetime
    if endpoint.ttl is not None:
        yield "ttl", endpoint.ttl


def _request_file(path: str | None) -> Iterator[str]:
    if not path:
        return
    if not Path(path).exists() or Path(path).is_dir():
        yield f"{_REQUEST_FILE}: must be a file, got {path}, which {describe_path(path)}"
    # The content of a pipe or terminal can be read only once. The stage reads it.
    elif Path(path).is_file():
        try:
            read_request(path)
        except ConfigError as error:
            yield from error.faults


def read_request(path: str) -> bytes:
    """Return the request body of a file with JSON in UTF-8, UTF-16 or UTF-32.

    The body is the same as that of Azure's SDK, which parses the file and writes the JSON again:
    https://learn.microsoft.com/python/api/azure-ai-ml/azure.ai.ml.operations.onlineendpointoperations

    Raises:
        ConfigError: The file cannot be read, is not JSON, or is larger than Azure's limit.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_REQUEST + 1)
        if len(content) <= _LARGEST_REQUEST:
            return json.dumps(json.loads(content)).encode()
        fault = f"must have at most {_LARGEST_REQUEST} bytes, Azure's limit, got {path}"
    except OSError as error:
        fault = f"must be a readable file, got {path} ({error.strerror})"
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:100]
        fault = f"must be a file with JSON, got {path} ({reason})"
    raise ConfigError([f"{_REQUEST_FILE}: {fault}"])


def _rollout(endpoint: EndpointConfig) -> Iterator[str]:
    where, rollout = "endpoint.rollout", endpoint.rollout
    steps = rollout.steps
    if not steps:
        return
    if steps != sorted(set(steps)) or steps[-1] != 100 or steps[0] < 1:
        yield f"{where}.steps: must be a rising list of percents that ends with 100, got {steps}"
    if not 0 <= rollout.mirror <= MAX_MIRRORED:
        yield f"{where}.mirror: must be from 0 to {MAX_MIRRORED} percent, got {rollout.mirror}"
    if endpoint.traffic or endpoint.mirror_traffic:
        yield (
            f"{where}: a rollout sets the traffic itself; remove endpoint.traffic and "
            "endpoint.mirror_traffic"
        )
    yield from _rollout_numbers(where, rollout)


def _rollout_numbers(where: str, rollout: RolloutConfig) -> Iterator[str]:
    for key in ("samples", "seconds", "failure_margin", "latency_margin_ms"):
        value = getattr(rollout, key)
        if not 0 <= value < float("inf"):
            yield f"{where}.{key}: must be 0 or more, got {value}"


def deployment_faults(config: ExperimentConfig) -> Iterator[str]:
    """Yield one line for each fault of the deployment, its script, its settings or its probes."""
    deployment = config.endpoint.deployment
    where = "endpoint.deployment"
    if fault := endpoint_name_fault(deployment.name):
        yield f"{where}.name: {fault}; this is Azure's rule"
    yield from _script(where, deployment)
    if not 1 <= deployment.instance_count <= 50:
        yield f"{where}.instance_count: must be from 1 to 50, got {deployment.instance_count}"
    yield from _variables(f"{where}.environment_variables", deployment.environment_variables)
    yield from _request_settings(f"{where}.request_settings", deployment)
    yield from _probe(f"{where}.liveness_probe", deployment.liveness_probe)
    yield from _probe(f"{where}.readiness_probe", deployment.readiness_probe)
    yield from environment_faults(f"{where}.environment", deployment.environment)
    if deployment.environment.delete_on_cleanup:
        yield (
            f"{where}.environment.delete_on_cleanup: must be false, got true; "
            "env.delete_on_cleanup=true deletes all unused environments"
        )


def _variables(where: str, variables: Mapping[str, str]) -> Iterator[str]:
    yield from variable_faults(where, variables)
    for name, value in variables.items():
        if name in _SERVER_SETTINGS and not (
            value.isascii() and value.isdigit() and int(value) > 0
        ):
            yield f"{where}.{name}: must be a whole number above 0, got another text"


def _script(where: str, deployment: DeploymentConfig) -> Iterator[str]:
    if deployment.scoring_script is None:
        return
    if deployment.code is None:
        yield (
            f"{where}.code: must be the folder that contains {where}.scoring_script "
            f"({deployment.scoring_script}), got null"
        )
    elif not Path(deployment.code).is_dir():
        there = describe_path(deployment.code)
        yield f"{where}.code: must be a folder, got {deployment.code}, which {there}"
    elif not Path(deployment.code, deployment.scoring_script).is_file():
        yield (
            f"{where}.scoring_script: must be a file in {where}.code ({deployment.code}), "
            f"got {deployment.scoring_script}"
        )


def _request_settings(where: str, deployment: DeploymentConfig) -> Iterator[str]:
    settings = deployment.request_settings
    if not 1 <= settings.request_timeout_ms <= 180_000:
        yield (
            f"{where}.request_timeout_ms: must be from 1 to 180000, "
            f"got {settings.request_timeout_ms}"
        )
    concurrent = settings.max_concurrent_requests_per_instance
    if not 1 <= concurrent <= _MAX_CONCURRENT:
        yield (
            f"{where}.max_concurrent_requests_per_instance: must be from 1 to {_MAX_CONCURRENT}, "
            f"got {concurrent}"
        )


def _probe(where: str, probe: ProbeConfig) -> Iterator[str]:
    if probe.initial_delay < 0:
        yield f"{where}.initial_delay: must be 0 seconds or more, got {probe.initial_delay}"
    for key in ("period", "timeout", "success_threshold", "failure_threshold"):
        if getattr(probe, key) < 1:
            yield f"{where}.{key}: must be at least 1, got {getattr(probe, key)}"
