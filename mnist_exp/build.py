"""The conversion of a config to specs.

The functions have no side effects. The checks of the config run before any of these functions.
"""

import shlex
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import Any

from mnist_exp.config import ArgumentStyle, DataConfig, ExperimentConfig
from mnist_exp.errors import ConfigError
from mnist_exp.experiment import Experiment
from mnist_exp.specs import (
    CommandJob,
    DeploymentSpec,
    EndpointSpec,
    Literal,
    ModelSpec,
    OutputSpec,
    PathInput,
    SweepJob,
)
from mnist_exp.sweeps.space.expressions import Choice, Expression
from mnist_exp.templates import swept

#: Maximum number of characters of the changes in the name of an MLflow run.
_LONGEST_CHANGES = 100
#: A job input with this path gets the folder of digits that the config group `data` describes.
DATA_REFERENCE = "{{data}}"


def command_job(config: Experiment, name: str) -> CommandJob:
    """Return the spec of the training job."""
    job = config.job
    inputs = {key: _input(value, config.data) for key, value in job.inputs.items()}
    outputs = {key: OutputSpec(**(value or {})) for key, value in job.outputs.items()}
    return CommandJob(
        name=name,
        experiment_name=job.experiment_name,
        display_name=job.display_name or name,
        command=job.command
        or script_command(job.script or "", inputs, outputs, job.argument_style),
        quoted=job.command is None,
        compute=config.compute,
        environment=config.env,
        code=None if job.code is None else Path(job.code),
        inputs=inputs,
        outputs=outputs,
        environment_variables=dict(job.environment_variables),
        identity=job.identity,
        timeout=job.timeout,
        distribution=None if job.distribution.type is None else job.distribution,
        argument_style=job.argument_style,
        run_name=_run_name(config, name),
        description=job.description,
        tags=dict(job.tags),
    )


def _run_name(experiment: Experiment, name: str) -> str:
    """Return the name of the MLflow run: what the command changes, and the end of the job's name.

    MLflow's table shows only the first 17 characters of a name. The changes therefore come first,
    and without the names of config groups: `wide epochs=5` for `model=wide model.epochs=5`.
    """
    if "job.display_name" in experiment.given and experiment.job.display_name:
        return experiment.job.display_name
    changed = " ".join(_short(text, experiment.chosen) for text in experiment.changes)
    if not changed:
        return ""
    return f"{shorten(changed, _LONGEST_CHANGES, placeholder='...')} ({name.rpartition('_')[2]})"


def _short(override: str, chosen: Collection[str]) -> str:
    """Return the option of a config group, or the last part of a key with its value."""
    key, equals, value = override.lstrip("+").partition("=")
    return value if key in chosen else f"{key.rpartition('.')[2]}{equals}{value}"


def sweep_job(experiment: Experiment, name: str) -> SweepJob:
    """Return the spec of the sweep over the training job.

    A key of the search space replaces the input with the same name. A dotted key, e.g.
    `model.learning_rate`, is a config key. A dotted key replaces each input whose value comes from
    this config key.

    Raises:
        ConfigError: The sweep has faults.
    """
    plan, faults = experiment.parsed_sweep
    if plan is None:
        raise ConfigError(faults)
    trial = command_job(experiment, name)
    command = trial.command
    keys = {
        name: key
        for key in plan.search_space
        for name in inputs_of(key, trial.inputs, experiment.sources)
    }
    if experiment.job.command is None:
        drawn = {name: _sign(plan.search_space[key]) for name, key in keys.items()}
        inputs = {**trial.inputs, **drawn}
        command = script_command(
            experiment.job.script or "", inputs, trial.outputs, trial.argument_style
        )
    kept = {name: value for name, value in trial.inputs.items() if name not in keys}
    return SweepJob(
        name=name,
        trial=replace(trial, command=swept(command, keys), inputs=kept),
        search_space=plan.search_space,
        sampling=plan.sampling,
        objective=plan.objective,
        limits=plan.limits,
        early_termination=plan.early_termination,
        fail_fast=experiment.sweep.fail_fast,
        fail_on_failed_trials=experiment.sweep.fail_on_failed_trials,
    )


def inputs_of(key: str, inputs: Mapping[str, Any], sources: Mapping[str, str]) -> list[str]:
    """Return the names of the inputs that a search-space key replaces.

    If the key replaces no input, the list contains only the key.

    Args:
        key: A key of the search space.
        inputs: The job's inputs, by name.
        sources: Input name -> the config key that the value of the input comes from.
    """
    if key in inputs:
        return [key]
    return [name for name, source in sources.items() if source == key and name in inputs] or [key]


def script_command(
    script: str,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    style: ArgumentStyle = ArgumentStyle.dashes,
) -> str:
    """Return a command that runs a script with each input and output as an argument.

    If a value begins with a minus sign, name and value are one argument: `--name=value`. As a
    separate argument, the value would look like an option to the script.
    """
    parts = [f"python {shlex.quote(script)}"]
    for kind, values in (("inputs", inputs), ("outputs", outputs)):
        for name, value in values.items():
            reference = f"{{{{{kind}.{name}}}}}"
            joined = style is ArgumentStyle.key_value or str(value).startswith("-")
            parts.append(f"{argument_name(name, style)}{'=' if joined else ' '}{reference}")
    return " ".join(parts)


def argument_name(name: str, style: ArgumentStyle) -> str:
    """Return the name of the argument with which a script gets an input or an output."""
    if style is ArgumentStyle.key_value:
        return name
    return f"--{name.replace('_', '-')}" if style is ArgumentStyle.dashes else f"--{name}"


def _sign(expression: Expression) -> str:
    """Return `-` if an expression may draw a value that begins with `-`, else an empty text."""
    values = expression.values if isinstance(expression, Choice) else expression.examples()
    return "-" if any(str(value).startswith("-") for value in values) else ""


def model_spec(config: ExperimentConfig, job: str) -> ModelSpec:
    """Return the spec of a model asset that contains files of a job."""
    return ModelSpec(job=job, **vars(config.registration))


def endpoint_spec(config: ExperimentConfig, name: str) -> EndpointSpec:
    """Return the spec of an endpoint. The spec does not change the traffic of the endpoint."""
    endpoint = config.endpoint
    return replace(
        endpoint_change(config, name, {}, {}),
        auth_mode=endpoint.auth_mode,
        description=endpoint.description,
        token_lifetime=endpoint.token_lifetime,
    )


def endpoint_change(
    config: ExperimentConfig,
    name: str,
    traffic: Mapping[str, int],
    mirror_traffic: Mapping[str, int],
) -> EndpointSpec:
    """Return a spec that changes the traffic of an endpoint.

    If the user sets `ttl` or `port`, the spec also changes these settings. All other settings of
    the endpoint keep their values.
    """
    endpoint = config.endpoint
    return EndpointSpec(
        name=name,
        traffic=traffic,
        mirror_traffic=mirror_traffic,
        # If the user does not set ttl or port, the value is null, which changes nothing.
        ttl=endpoint.ttl,
        port=endpoint.port,
    )


def deployment_spec(config: ExperimentConfig, endpoint: str, model: str) -> DeploymentSpec:
    """Return the spec of a deployment of `model` (`name:version`) behind `endpoint`."""
    return DeploymentSpec(endpoint=endpoint, model=model, **vars(config.endpoint.deployment))


def placeholder_model(config: ExperimentConfig) -> str:
    """Return `NAME:1`, which stands for the registered model until its version is known."""
    return f"{config.registration.name}:1"


def _input(value: Any, data: DataConfig) -> Literal | PathInput:
    if not isinstance(value, Mapping):
        return value  # type: ignore[no-any-return]
    path = value["path"]
    source: DataConfig | Path | str
    if path == DATA_REFERENCE:
        source = data
    else:
        source = path if "://" in path or path.startswith("azureml:") else Path(path)
    return PathInput(
        path=source, type=value.get("type", "uri_folder"), mode=value.get("mode", "ro_mount")
    )
