"""Jobs as azure-ai-ml's entities."""

from typing import Any

from azure.ai.ml import TensorFlowDistribution, command
from azure.ai.ml.entities import Command as CommandEntity
from azure.ai.ml.entities import CommandJob as TrialEntity
from azure.ai.ml.entities import (
    JobResourceConfiguration,
    ManagedIdentityConfiguration,
    UserIdentityConfiguration,
)
from azure.ai.ml.sweep import SweepJob as SweepEntity

from mnist_exp.config import ComputeConfig, ComputeType, Identity
from mnist_exp.errors import RefusedError
from mnist_exp.specs import CommandJob, SweepJob
from mnist_exp.templates import azure_form
from mnist_exp.workspaces.azure.translation.assets import environment_of
from mnist_exp.workspaces.azure.translation.inputs import Resolve, inputs_of, outputs_of
from mnist_exp.workspaces.azure.translation.sweeps import sweep_entity

_IDENTITIES = {
    Identity.user: UserIdentityConfiguration,
    Identity.managed: ManagedIdentityConfiguration,
}


def job_entity(job: CommandJob | SweepJob, resolve: Resolve) -> CommandEntity | SweepEntity:
    """Return a job of either kind."""
    if isinstance(job, SweepJob):
        trial = _trial_entity(job.trial, resolve)
        return sweep_entity(job, trial, _identity(job.trial))
    return command_entity(job, resolve)


def command_entity(job: CommandJob, resolve: Resolve) -> CommandEntity:
    """Return the command job.

    https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command

    Args:
        job: What runs.
        resolve: Returns the address or local folder of a path input.

    Raises:
        RefusedError: Azure has no such compute target or environment.
    """
    return command(**_parts(job, resolve), **_machines(job), timeout=job.timeout)


def _trial_entity(job: CommandJob, resolve: Resolve) -> TrialEntity:
    machines = _machines(job)
    resources = JobResourceConfiguration(**machines) if machines else None
    return TrialEntity(**_parts(job, resolve), resources=resources)


def _parts(job: CommandJob, resolve: Resolve) -> dict[str, Any]:
    return {
        "name": job.name,
        "experiment_name": job.experiment_name,
        "display_name": job.display_name,
        "command": azure_form(job.command),
        "code": None if job.code is None else str(job.code),
        "environment": environment_of(job.environment),
        "inputs": inputs_of(job.inputs, resolve),
        "outputs": outputs_of(job.outputs),
        "environment_variables": dict(job.environment_variables),
        "compute": _compute_name(job.compute),
        "distribution": _distribution(job),
        "identity": _identity(job),
    }


def _identity(job: CommandJob) -> Any:
    return _IDENTITIES[job.identity]() if job.identity else None


def _compute_name(spec: ComputeConfig) -> str | None:
    """Return the target's name; without one the job is serverless."""
    if spec.type is ComputeType.local:
        raise RefusedError(
            "compute.type: local is this machine, which Azure cannot use; "
            "use compute=gpu_cluster, cpu_cluster, low_priority or serverless"
        )
    return None if spec.type is ComputeType.serverless else spec.name


def _machines(job: CommandJob) -> dict[str, Any]:
    """Return what the job itself says of machines; a cluster has said the rest."""
    size = job.compute.size if job.compute.type is ComputeType.serverless else None
    if size is None and job.distribution is None:
        return {}
    return {"instance_type": size, "instance_count": job.worker_count}


def _distribution(job: CommandJob) -> TensorFlowDistribution | None:
    if job.distribution is None:
        return None
    return TensorFlowDistribution(worker_count=job.worker_count, parameter_server_count=0)
