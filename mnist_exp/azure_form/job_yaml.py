"""Specs in the YAML of Azure's command line: what `az ml job create --file` takes.

Pure, and without Azure's packages, so that a dry run works everywhere. That it says the same as
what goes over the wire is tested with the SDK's own loaders.
https://learn.microsoft.com/azure/machine-learning/reference-yaml-overview
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from mnist_exp.azure_form.expressions import azure_arguments
from mnist_exp.config import (
    AuthMode,
    ComputeConfig,
    ComputeType,
    DataConfig,
    EnvConfig,
    EnvType,
    ProbeConfig,
    RequestSettingsConfig,
)
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
from mnist_exp.sweeps.sampling.algorithms import Sampling, SamplingType
from mnist_exp.sweeps.space.expressions import Expression
from mnist_exp.sweeps.space.keys import azure_name
from mnist_exp.sweeps.stopping.policy import Policy
from mnist_exp.templates import azure_form, literal_text

SCHEMAS = "https://azuremlschemas.azureedge.net/latest/"

Document = dict[str, Any]
_Locate = Callable[[Path | str | DataConfig], str]


def command_yaml(job: CommandJob, locate: _Locate) -> Document:
    """Return a command job.

    Args:
        job: What runs.
        locate: Returns the address or local folder of a path input.
    """
    return {
        "$schema": f"{SCHEMAS}commandJob.schema.json",
        "type": "command",
        **_head(job),
        **_software(job),
        "inputs": _inputs(job.inputs, locate),
        "outputs": _outputs(job.outputs),
        **_place(job),
        **({"limits": {"timeout": job.timeout}} if job.timeout else {}),
    }


def sweep_yaml(job: SweepJob, locate: _Locate) -> Document:
    """Return a sweep."""
    trial = job.trial
    place = _place(trial)
    resources = {key: place.pop(key) for key in ("resources", "distribution") if key in place}
    limits = {
        "max_total_trials": job.limits.max_total_trials,
        "max_concurrent_trials": job.limits.max_concurrent_trials,
        "timeout": job.limits.timeout,
        "trial_timeout": job.limits.trial_timeout,
    }
    policy = {"early_termination": _policy(job.early_termination)} if job.early_termination else {}
    return {
        "$schema": f"{SCHEMAS}sweepJob.schema.json",
        "type": "sweep",
        **_head(trial),
        "name": job.name,
        "trial": {**_software(trial), **resources},
        "inputs": _inputs(trial.inputs, locate),
        "outputs": _outputs(trial.outputs),
        **place,
        "sampling_algorithm": _sampling(job.sampling),
        "search_space": {
            azure_name(name): _expression(one) for name, one in job.search_space.items()
        },
        "objective": {
            "primary_metric": job.objective.primary_metric,
            "goal": job.objective.goal.value,
        },
        "limits": {name: value for name, value in limits.items() if value is not None},
        **policy,
    }


def compute_yaml(spec: ComputeConfig) -> Document:
    """Return a cluster."""
    return {
        "$schema": f"{SCHEMAS}amlCompute.schema.json",
        "name": spec.name,
        "type": "amlcompute",
        **({"size": spec.size} if spec.size else {}),
        "min_instances": spec.min_instances,
        "max_instances": spec.max_instances,
        "idle_time_before_scale_down": spec.idle_time_before_scale_down,
        "tier": spec.tier.value,
    }


def model_yaml(spec: ModelSpec) -> Document:
    """Return a model asset."""
    return {
        "$schema": f"{SCHEMAS}model.schema.json",
        "name": spec.name,
        "type": spec.type,
        "path": f"azureml://jobs/{spec.job}/outputs/artifacts/paths/{spec.path.strip('/')}/",
        "description": spec.description,
    }


def endpoint_yaml(spec: EndpointSpec) -> Document:
    """Return an endpoint."""
    return {
        "$schema": f"{SCHEMAS}managedOnlineEndpoint.schema.json",
        "name": spec.name,
        "auth_mode": (spec.auth_mode or AuthMode.key).value,
        "description": spec.description,
        **({"traffic": dict(spec.traffic)} if spec.traffic else {}),
        **({"mirror_traffic": dict(spec.mirror_traffic)} if spec.mirror_traffic else {}),
    }


def deployment_yaml(spec: DeploymentSpec) -> Document:
    """Return a deployment."""
    parts = {
        "request_settings": (spec.request_settings, RequestSettingsConfig()),
        "liveness_probe": (spec.liveness_probe, ProbeConfig()),
        "readiness_probe": (spec.readiness_probe, ProbeConfig()),
    }
    # Azure ML's defaults need not be said.
    settings = {key: dict(vars(one)) for key, (one, default) in parts.items() if one != default}
    return {
        "$schema": f"{SCHEMAS}managedOnlineDeployment.schema.json",
        "name": spec.name,
        "endpoint_name": spec.endpoint,
        "model": f"azureml:{spec.model}",
        **_scoring(spec),
        "environment_variables": dict(spec.environment_variables),
        "instance_type": spec.instance_type,
        "instance_count": spec.instance_count,
        **settings,
    }


def _scoring(spec: DeploymentSpec) -> Document:
    if spec.scoring_script is None:
        # A model of type mlflow_model brings its own.
        return {}
    return {
        "code_configuration": {"code": str(spec.code), "scoring_script": spec.scoring_script},
        "environment": _environment(spec.environment),
    }


def _head(job: CommandJob) -> Document:
    return {
        "name": job.name,
        "experiment_name": job.experiment_name,
        "display_name": job.display_name,
    }


def _software(job: CommandJob) -> Document:
    return {
        "command": azure_form(job.command),
        **({"code": str(job.code)} if job.code else {}),
        "environment": _environment(job.environment),
        "environment_variables": dict(job.environment_variables),
    }


def _place(job: CommandJob) -> Document:
    place: Document = {}
    machines: Document = {}
    if job.compute.type is ComputeType.amlcompute:
        place["compute"] = f"azureml:{job.compute.name}"
    elif job.compute.type is ComputeType.local:
        place["compute"] = "local"
    elif job.compute.size:
        machines = {"instance_type": job.compute.size, "instance_count": job.worker_count}
    if job.distribution:
        machines["instance_count"] = job.worker_count
        place["distribution"] = {
            "type": str(job.distribution.type),
            "worker_count": job.worker_count,
            "parameter_server_count": 0,
        }
    if machines:
        place["resources"] = machines
    if job.identity:
        place["identity"] = {"type": f"{job.identity.value}_identity"}
    return place


def _environment(spec: EnvConfig) -> Any:
    if spec.type is EnvType.curated:
        name = spec.name or ""
        return name if name.startswith("azureml:") else f"azureml:{name}"
    if spec.type is EnvType.conda:
        conda = {"conda_file": str(spec.conda_file)} if spec.conda_file else {}
        return {"image": spec.image, **conda}
    # Only for reading: Azure has no environment like this machine's.
    return "azureml:this-machine@latest"


def _inputs(inputs: Mapping[str, Literal | PathInput], locate: _Locate) -> Document:
    return {
        name: {"type": value.type, "path": locate(value.path), "mode": value.mode}
        if isinstance(value, PathInput)
        else literal_text(value)
        if isinstance(value, bool | str)
        else value
        for name, value in inputs.items()
    }


def _outputs(outputs: Mapping[str, OutputSpec]) -> Document:
    return {name: {"type": spec.type, "mode": spec.mode} for name, spec in outputs.items()}


def _sampling(sampling: Sampling) -> Document:
    document: Document = {"type": sampling.type.value}
    if sampling.type is SamplingType.RANDOM:
        document["rule"] = sampling.rule.value
        if sampling.seed is not None:
            document["seed"] = sampling.seed
        if sampling.logbase != math.e:
            document["logbase"] = sampling.logbase
    return document


def _expression(space: Expression) -> Document:
    return {"type": space.type, **azure_arguments(space, _expression)}


def _policy(policy: Policy) -> Document:
    values = {field.name: getattr(policy, field.name) for field in fields(policy)}
    return {"type": policy.type, **values}
