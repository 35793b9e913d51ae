"""From config to specs: pure functions that a stage calls with a config that has been checked."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mnist_exp.config import DataConfig, DistributionConfig, EnvConfig, ExperimentConfig
from mnist_exp.errors import ConfigError
from mnist_exp.specs import (
    CommandJob,
    ComputeSpec,
    DataSpec,
    DeploymentSpec,
    Distribution,
    EndpointSpec,
    EnvironmentSpec,
    Literal,
    ModelSpec,
    OutputSpec,
    PathInput,
    ProbeSettings,
    RequestSettings,
    SweepJob,
)
from mnist_exp.sweeps import parse_sweep
from mnist_exp.templates import swept

#: As a path input's path: the folder of the data group.
DATA_REFERENCE = "{{data}}"


def compute_spec(config: ExperimentConfig) -> ComputeSpec:
    """Return the compute target."""
    compute = config.compute
    return ComputeSpec(
        type=compute.type,
        name=compute.name,
        size=compute.size,
        min_instances=compute.min_instances,
        max_instances=compute.max_instances,
        idle_time_before_scale_down=compute.idle_time_before_scale_down,
        tier=compute.tier,
        evict_after_epochs=compute.evict_after_epochs,
    )


def data_spec(data: DataConfig) -> DataSpec:
    """Return the digits as they were asked for; nothing is fetched."""
    return DataSpec(
        type=data.type,
        path=_path(data.path),
        url=data.url,
        azure_path=data.azure_path,
        cache_dir=_path(data.cache_dir),
    )


def command_job(config: ExperimentConfig, name: str) -> CommandJob:
    """Return the training job."""
    job = config.job
    inputs = {key: _input(value, config.data) for key, value in job.inputs.items()}
    outputs = {key: OutputSpec(**(value or {})) for key, value in job.outputs.items()}
    return CommandJob(
        name=name,
        experiment_name=job.experiment_name,
        display_name=job.display_name or name,
        command=job.command or script_command(job.script or "", inputs, outputs),
        quoted=job.command is None,
        compute=compute_spec(config),
        environment=_environment(config.env),
        code=_path(job.code),
        inputs=inputs,
        outputs=outputs,
        environment_variables=dict(job.environment_variables),
        identity=job.identity,
        timeout=job.timeout,
        distribution=_distribution(job.distribution),
    )


def sweep_job(config: ExperimentConfig, name: str) -> SweepJob:
    """Return the sweep over the training job; a search-space key replaces that input.

    A dotted key (`model.learning_rate`) replaces the inputs that take their value from it.

    Raises:
        ConfigError: The sweep has faults.
    """
    parsed, faults = parse_sweep(config.sweep)
    if parsed is None:
        raise ConfigError(faults)
    trial = command_job(config, name)
    command = trial.command
    keys = {
        name: key
        for key in parsed.search_space
        for name in inputs_of(key, trial.inputs, config.job.sources)
    }
    if config.job.command is None:
        inputs = {**trial.inputs, **dict.fromkeys(keys, "")}
        command = script_command(config.job.script or "", inputs, trial.outputs)
    kept = {name: value for name, value in trial.inputs.items() if name not in keys}
    return SweepJob(
        name=name,
        trial=_with_command(trial, swept(command, keys), kept),
        search_space=parsed.search_space,
        sampling=parsed.sampling,
        objective=parsed.objective,
        limits=parsed.limits,
        early_termination=parsed.early_termination,
        fail_fast=config.sweep.fail_fast,
        fail_on_failed_trials=config.sweep.fail_on_failed_trials,
    )


def inputs_of(key: str, inputs: Mapping[str, Any], sources: Mapping[str, str]) -> list[str]:
    """Return the inputs that a key of a search space stands for; a new one if there is none."""
    if key in inputs:
        return [key]
    return [name for name, source in sources.items() if source == key and name in inputs] or [key]


def script_command(script: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> str:
    """Return the command that hands each input and output to a script as `--its-name value`."""
    words = [f"python {shlex.quote(script)}"]
    words += [f"--{key.replace('_', '-')} {{{{inputs.{key}}}}}" for key in inputs]
    words += [f"--{key.replace('_', '-')} {{{{outputs.{key}}}}}" for key in outputs]
    return " ".join(words)


def model_spec(config: ExperimentConfig, job: str) -> ModelSpec:
    """Return the model asset that is made of a job's files."""
    asset = config.registration
    return ModelSpec(
        name=asset.name, job=job, path=asset.path, type=asset.type, description=asset.description
    )


def endpoint_spec(
    config: ExperimentConfig,
    name: str,
    traffic: Mapping[str, int] | None = None,
    mirror_traffic: Mapping[str, int] | None = None,
) -> EndpointSpec:
    """Return the endpoint, without traffic until its deployment is there."""
    endpoint = config.endpoint
    return EndpointSpec(
        name=name,
        auth_mode=endpoint.auth_mode,
        description=endpoint.description,
        traffic=traffic or {},
        mirror_traffic=mirror_traffic or {},
        token_lifetime=endpoint.token_lifetime,
        ttl=endpoint.ttl,
        port=endpoint.port,
    )


def endpoint_change(
    config: ExperimentConfig,
    name: str,
    traffic: Mapping[str, int],
    mirror_traffic: Mapping[str, int],
) -> EndpointSpec:
    """Return a change of traffic alone: what else the endpoint is, it stays."""
    endpoint = config.endpoint
    # Neither of the two is composed unless it is given.
    return EndpointSpec(
        name=name,
        traffic=traffic,
        mirror_traffic=mirror_traffic,
        ttl=endpoint.ttl,
        port=endpoint.port,
    )


def deployment_spec(config: ExperimentConfig, endpoint: str, model: str) -> DeploymentSpec:
    """Return the deployment of `model` (`name:version`) behind `endpoint`."""
    deployment = config.endpoint.deployment
    settings = deployment.request_settings
    return DeploymentSpec(
        name=deployment.name,
        endpoint=endpoint,
        model=model,
        code=_path(deployment.code),
        scoring_script=deployment.scoring_script,
        environment=_environment(deployment.environment),
        instance_type=deployment.instance_type,
        instance_count=deployment.instance_count,
        environment_variables=dict(deployment.environment_variables),
        request_settings=RequestSettings(
            request_timeout_ms=settings.request_timeout_ms,
            max_concurrent_requests_per_instance=settings.max_concurrent_requests_per_instance,
        ),
        liveness_probe=ProbeSettings(**asdict(deployment.liveness_probe)),
        readiness_probe=ProbeSettings(**asdict(deployment.readiness_probe)),
    )


def _with_command(
    job: CommandJob, command: str, inputs: Mapping[str, Literal | PathInput]
) -> CommandJob:
    return CommandJob(**{**vars(job), "command": command, "inputs": inputs})


def _input(value: Any, data: DataConfig) -> Literal | PathInput:
    if not isinstance(value, Mapping):
        return value  # type: ignore[no-any-return]
    path = value["path"]
    source: DataSpec | Path | str
    if path == DATA_REFERENCE:
        source = data_spec(data)
    else:
        source = path if "://" in path or path.startswith("azureml:") else Path(path)
    return PathInput(
        path=source, type=value.get("type", "uri_folder"), mode=value.get("mode", "ro_mount")
    )


def _distribution(distribution: DistributionConfig) -> Distribution | None:
    if distribution.type is None:
        return None
    return Distribution(distribution.type, distribution.worker_count)


def _environment(env: EnvConfig) -> EnvironmentSpec:
    return EnvironmentSpec(
        type=env.type, name=env.name, image=env.image, conda_file=_path(env.conda_file)
    )


def _path(value: str | None) -> Path | None:
    return None if value is None else Path(value)
