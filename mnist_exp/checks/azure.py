"""What the config says and Azure does not do: told, since nobody would notice."""

import shlex
from collections.abc import Iterator

from mnist_exp.config import (
    AuthMode,
    ComputeTier,
    ComputeType,
    EndpointConfig,
    ExperimentConfig,
    Stage,
    WorkspaceType,
)
from mnist_exp.templates import literal_text

TRAINING = (Stage.train, Stage.sweep, Stage.all)
_SWEEPING = (Stage.sweep, Stage.all)
_DEPLOYING = (Stage.deploy, Stage.all)
#: Seconds; the SDK makes every limit of a sweep at least this.
SHORTEST_LIMIT_S = 60


def azure_warnings(config: ExperimentConfig) -> Iterator[str]:
    """One line for each key that changes nothing, or something else, on Azure."""
    if config.workspace.type is not WorkspaceType.azure:
        return
    if config.stage in TRAINING:
        yield from _job_warnings(config)
        yield from _data_warnings(config)
    if config.stage in _SWEEPING:
        yield from _sweep_warnings(config)
    if config.stage in _DEPLOYING:
        yield from _endpoint_warnings(config.endpoint)


def _job_warnings(config: ExperimentConfig) -> Iterator[str]:
    compute = config.compute
    if compute.evict_after_epochs is not None:
        yield (
            "compute.evict_after_epochs: is a drill on this machine; "
            "Azure takes nodes of low priority away by itself"
        )
    if compute.type is ComputeType.serverless and compute.tier is ComputeTier.low_priority:
        yield (
            "compute.tier: low_priority is not sent with serverless jobs, which run on dedicated "
            "nodes; take compute=low_priority"
        )
    for name, value in config.job.inputs.items():
        is_literal = isinstance(value, str | int | float | bool)
        if config.job.script is not None and is_literal:
            text = literal_text(value)
            if shlex.quote(text) != text:
                yield (
                    f"job.inputs.{name}: Azure puts {text!r} into the command as it is, for the "
                    "shell to split; use letters, digits and -_./:=+@% alone"
                )


def _data_warnings(config: ExperimentConfig) -> Iterator[str]:
    data = config.data
    for key, value in (("path", data.path), ("url", data.url)):
        if value is not None and data.azure_path is not None:
            yield (
                f"data.{key}: changes nothing on Azure, where jobs mount data.azure_path "
                f"({data.azure_path}); data.azure_path=null uploads your own files"
            )


def _sweep_warnings(config: ExperimentConfig) -> Iterator[str]:
    if config.sweep.fail_fast:
        yield "sweep.fail_fast: Azure ML has no such thing; the other trials run on"
    if config.sweep.fail_on_failed_trials:
        yield "sweep.fail_on_failed_trials: changes nothing on Azure, which decides that itself"
    limits = config.sweep.limits
    for key, seconds in (("timeout", limits.timeout), ("trial_timeout", limits.trial_timeout)):
        if seconds is not None and 0 < seconds < SHORTEST_LIMIT_S:
            yield (
                f"sweep.limits.{key}: Azure's shortest is {SHORTEST_LIMIT_S} seconds, which is "
                f"sent instead of {seconds}"
            )


def _endpoint_warnings(endpoint: EndpointConfig) -> Iterator[str]:
    if endpoint.ttl is not None:
        yield (
            "endpoint.ttl: no endpoint on Azure deletes itself; it costs money until "
            "mnist-exp stage=cleanup"
        )
    if endpoint.port is not None:
        yield "endpoint.port: changes nothing on Azure, which gives the endpoint its address"
    is_usual = endpoint.token_lifetime == EndpointConfig().token_lifetime
    if endpoint.auth_mode is AuthMode.aml_token and not is_usual:
        yield "endpoint.token_lifetime: changes nothing; Azure says how long a token is good for"
