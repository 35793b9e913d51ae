"""Forms of command jobs and sweeps.

A form is a dictionary with the field names and the structure of Azure ML's YAML.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, assert_never

from mnist_exp.azure_form.assets import Form, environment_form
from mnist_exp.azure_form.sweeps import (
    policy_form,
    sampling_form,
    search_space_form,
    sweep_limits_form,
)
from mnist_exp.config import ComputeConfig, ComputeType, DataConfig
from mnist_exp.specs import CommandJob, Literal, OutputSpec, PathInput, SweepJob
from mnist_exp.sweeps.space.keys import azure_name
from mnist_exp.templates import azure_command, literal_text

#: Name of a sweep's tag. The value of the tag is a JSON object: name on Azure ML -> dotted key of
#: the search space.
KEYS_TAG = "mnist_exp.search_space_keys"

#: Function that returns the URI or the local path of an input that is a file or a folder.
Locate = Callable[[Path | str | DataConfig], str]


def command_form(job: CommandJob, locate: Locate) -> Form:
    """Return the form of a command job.

    https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command
    """
    return {
        **_names(job),
        **_software(job),
        **_inputs_and_outputs(job, locate),
        **_where(job),
        **_machines(job),
        **({"limits": {"timeout": job.timeout}} if job.timeout else {}),
    }


def sweep_form(job: SweepJob, locate: Locate) -> Form:
    """Return the form of a sweep.

    The field `trial` contains the command, the code, the environment and the resources of each
    trial. All other fields belong to the sweep, including the experiment's name and the identity.
    https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-sweep
    """
    trial, policy = job.trial, job.early_termination
    return {
        **_names(replace(trial, name=job.name, tags={**trial.tags, **_dotted_keys(job)})),
        "trial": {**_software(trial), **_machines(trial)},
        **_inputs_and_outputs(trial, locate),
        **_where(trial),
        "sampling_algorithm": sampling_form(job.sampling),
        "search_space": search_space_form(job.search_space),
        "objective": {
            "primary_metric": job.objective.primary_metric,
            "goal": job.objective.goal.value,
        },
        "limits": sweep_limits_form(job.limits),
        **({"early_termination": policy_form(policy)} if policy else {}),
    }


def _dotted_keys(job: SweepJob) -> dict[str, str]:
    """Return the tag that lists the keys of the search space with a dot, e.g. `model.lr`.

    Without such keys, return no tag.
    """
    keys = {azure_name(key): key for key in job.search_space if azure_name(key) != key}
    return {KEYS_TAG: json.dumps(keys)} if keys else {}


def _names(job: CommandJob) -> Form:
    return {
        "name": job.name,
        "experiment_name": job.experiment_name,
        "display_name": job.display_name,
        **({"description": job.description} if job.description else {}),
        **({"tags": dict(job.tags)} if job.tags else {}),
    }


def _software(job: CommandJob) -> Form:
    return {
        "command": azure_command(job.command),
        **({"code": str(job.code)} if job.code else {}),
        "environment": environment_form(job.environment),
        "environment_variables": dict(job.environment_variables),
    }


def _inputs_and_outputs(job: CommandJob, locate: Locate) -> Form:
    return {"inputs": _inputs(job.inputs, locate), "outputs": _outputs(job.outputs)}


def _inputs(inputs: Mapping[str, Literal | PathInput], locate: Locate) -> Form:
    def form(value: Literal | PathInput) -> Any:
        if isinstance(value, PathInput):
            return {"type": value.type, "path": locate(value.path), "mode": value.mode}
        # Convert a bool to `true` or `false`. Azure ML would otherwise receive 1 or 0. Convert an
        # enum of the config, which is also a str, to plain text.
        return literal_text(value) if isinstance(value, bool | str) else value

    return {name: form(value) for name, value in inputs.items()}


def _outputs(outputs: Mapping[str, OutputSpec]) -> Form:
    def form(spec: OutputSpec) -> Form:
        chosen = {"path": spec.path, "name": spec.name}
        given = {key: value for key, value in chosen.items() if value}
        return {"type": spec.type, "mode": spec.mode, **given}

    return {name: form(spec) for name, spec in outputs.items()}


def _where(job: CommandJob) -> Form:
    """Return the fields for compute target and identity. A serverless job has no compute target."""
    target = _target(job.compute)
    return {
        **({"compute": target} if target else {}),
        **({"identity": {"type": f"{job.identity.value}_identity"}} if job.identity else {}),
    }


def _target(compute: ComputeConfig) -> str | None:
    match compute.type:
        case ComputeType.amlcompute:
            return f"azureml:{compute.name}"
        case ComputeType.local:
            return "local"
        case ComputeType.serverless:
            return None
        case unknown:
            assert_never(unknown)


def _machines(job: CommandJob) -> Form:
    """Return the fields for the machines of a job."""
    size = _job_size(job.compute)
    machines: Form = {"instance_type": size} if size else {}
    if machines or job.distribution:
        machines["instance_count"] = job.worker_count
    form: Form = {"resources": machines} if machines else {}
    if job.distribution:
        form["distribution"] = {
            "type": str(job.distribution.type),
            "worker_count": job.worker_count,
            "parameter_server_count": 0,
        }
    return form


def _job_size(compute: ComputeConfig) -> str | None:
    """Return the VM size that a job requests; None if its compute target has a fixed size."""
    match compute.type:
        case ComputeType.serverless:
            return compute.size
        case ComputeType.amlcompute | ComputeType.local:
            # A cluster and this machine have a fixed size.
            return None
        case unknown:
            assert_never(unknown)
