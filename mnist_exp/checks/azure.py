"""Warnings about Azure: keys without effect on Azure, retired VM sizes, removed environments.

The lists of retired names were checked in 2026-11. Sources:
https://learn.microsoft.com/azure/virtual-machines/sizes/retirement and the list of curated
environments, https://learn.microsoft.com/azure/machine-learning/resource-curated-environments
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from mnist_exp.config import (
    AuthMode,
    ComputeTier,
    ComputeType,
    EndpointConfig,
    ExperimentConfig,
    WorkspaceType,
)
from mnist_exp.templates import literal_text

#: Minimum of the time limits of a sweep, in seconds. The SDK raises a smaller limit to this value.
MIN_LIMIT_S = 60


@dataclass(frozen=True)
class _Retirement:
    """A family of retired VM sizes.

    Attributes:
        pattern: Regular expression for the names of the sizes, in lower case.
        date: The date of the retirement, in ISO 8601.
        successor: A size to use instead.
    """

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

#: A curated environment that Azure ML still offers. Warnings propose this environment.
_CURATED_SUCCESSOR = "AzureML-tensorflow-2.16-cuda12@latest"
#: Name of a curated TensorFlow environment, also inside an `azureml://registries/...` address.
_OLD_TENSORFLOW = re.compile(r"tensorflow-2\.(\d+)[-a-z0-9.]*", re.IGNORECASE)
#: Minor version of the oldest TensorFlow 2 for which Azure ML still offers a curated environment.
_OLDEST_TENSORFLOW_MINOR = 16


def size_warning(size: str) -> str | None:
    """Return one line if Azure has retired the VM size, None otherwise."""
    for retired in _RETIRED_SIZES:
        if re.fullmatch(retired.pattern, size.lower()):
            return (
                f"compute.size: {size} was retired on {retired.date}, so Azure will refuse the "
                f"size; use compute.size={retired.successor}"
            )
    return None


def environment_warning(name: str, where: str = "env") -> str | None:
    """Return one line if Azure ML has removed the curated environment, None otherwise.

    Args:
        name: The environment's name.
        where: The config key of the environment.
    """
    found = _OLD_TENSORFLOW.search(name)
    if found is None or int(found[1]) >= _OLDEST_TENSORFLOW_MINOR:
        return None
    return (
        f"{where}.name: the curated environment {name} was removed from Azure ML; "
        f"use {where}.name={_CURATED_SUCCESSOR}"
    )


def azure_warnings(config: ExperimentConfig) -> Iterator[str]:
    """Yield one line for each key that has no effect, or a different effect, on Azure."""
    if config.workspace.type is not WorkspaceType.azure:
        return
    if config.stage.trains:
        yield from _job_warnings(config)
        yield from _data_warnings(config)
    if config.stage.sweeps:
        yield from _sweep_warnings(config)
    if config.stage.deploys:
        yield from _endpoint_warnings(config.endpoint)


def _job_warnings(config: ExperimentConfig) -> Iterator[str]:
    compute = config.compute
    if compute.evict_after_epochs is not None:
        yield (
            "compute.evict_after_epochs: has no effect on Azure; Azure itself decides when to "
            "evict low-priority nodes"
        )
    if compute.type is ComputeType.serverless and compute.tier is ComputeTier.low_priority:
        yield (
            "compute.tier: low_priority has no effect on serverless jobs, which run on dedicated "
            "nodes; use compute=low_priority"
        )
    for name, value in config.job.inputs.items():
        is_literal = isinstance(value, str | int | float | bool)
        if config.job.script is not None and is_literal:
            text = literal_text(value)
            if shlex.quote(text) != text:
                yield (
                    f"job.inputs.{name}: Azure inserts {text!r} into the command without quotes, "
                    "so the shell may split or change the value; use only letters, digits and "
                    "-_./:=+@%"
                )


def _data_warnings(config: ExperimentConfig) -> Iterator[str]:
    data = config.data
    for key, value in (("path", data.path), ("url", data.url)):
        if value is not None and data.azure_path is not None:
            yield (
                f"data.{key}: has no effect on Azure, where jobs mount data.azure_path "
                f"({data.azure_path}); to upload your own files, add data.azure_path=null"
            )


def _sweep_warnings(config: ExperimentConfig) -> Iterator[str]:
    if config.sweep.fail_fast:
        yield "sweep.fail_fast: has no effect on Azure; the other trials continue"
    if config.sweep.fail_on_failed_trials:
        yield "sweep.fail_on_failed_trials: has no effect on Azure; Azure applies its own rule"
    limits = config.sweep.limits
    for key, seconds in (("timeout", limits.timeout), ("trial_timeout", limits.trial_timeout)):
        if seconds is not None and 0 < seconds < MIN_LIMIT_S:
            yield (
                f"sweep.limits.{key}: Azure's minimum is {MIN_LIMIT_S} seconds, so Azure will use "
                f"{MIN_LIMIT_S} instead of {seconds}"
            )


def _endpoint_warnings(endpoint: EndpointConfig) -> Iterator[str]:
    if endpoint.ttl is not None:
        yield (
            "endpoint.ttl: has no effect on Azure; the endpoint costs money until you run "
            "mnist-exp stage=cleanup"
        )
    if endpoint.port is not None:
        yield "endpoint.port: has no effect on Azure; Azure chooses the endpoint's address"
    is_default = endpoint.token_lifetime == EndpointConfig().token_lifetime
    if endpoint.auth_mode is AuthMode.aml_token and not is_default:
        yield "endpoint.token_lifetime: has no effect on Azure; Azure sets the lifetime of tokens"
