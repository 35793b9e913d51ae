"""Conversion of command jobs and sweeps to entities of azure-ai-ml.

A form is the content of a request, as plain mappings (see `mnist_exp.azure_form`).
"""

from collections.abc import Callable, Mapping
from typing import Any

from azure.ai.ml import Input, Output, TensorFlowDistribution, command
from azure.ai.ml.entities import Command as CommandEntity
from azure.ai.ml.entities import CommandJob as TrialEntity
from azure.ai.ml.entities import (
    JobResourceConfiguration,
    ManagedIdentityConfiguration,
    UserIdentityConfiguration,
)
from azure.ai.ml.sweep import SweepJob as SweepEntity

from mnist_exp.azure_form.assets import Form
from mnist_exp.azure_form.jobs import Locate, command_form, sweep_form
from mnist_exp.config import ComputeType
from mnist_exp.specs import CommandJob, SweepJob
from mnist_exp.workspaces.azure.translation.assets import (
    entities,
    environment_entity,
    local_compute_error,
    refuse_local_environment,
)
from mnist_exp.workspaces.azure.translation.sweeps import SWEEP_FIELDS, of_type

#: Azure ML's default modes for inputs and outputs. If a request contained the default mode, Azure
#: ML studio would show this mode as a choice of the user. Therefore requests omit a default mode.
_INPUT_MODE, _OUTPUT_MODE = "ro_mount", "rw_mount"


def job_entity(job: CommandJob | SweepJob, locate: Locate) -> CommandEntity | SweepEntity:
    """Return the entity of a command job or a sweep.

    Args:
        job: The spec of the job.
        locate: Function that returns the address or the local folder of a path input.

    Raises:
        RefusedError: Azure cannot use the compute target or the environment.
    """
    trial = job.trial if isinstance(job, SweepJob) else job
    refuse_local_environment(trial.environment, "env")
    if trial.compute.type is ComputeType.local:
        raise local_compute_error()
    if isinstance(job, SweepJob):
        # Do not use `azure.ai.ml.command(...).sweep()`, because this method loses the name of the
        # experiment.
        return SweepEntity(**entities(sweep_form(job, locate), {**_FIELDS, **SWEEP_FIELDS}))
    form = command_form(job, locate)
    # The function `command` does not accept `resources` and `limits` as mappings. Each field of
    # these mappings is a separate argument.
    resources, limits = form.pop("resources", {}), form.pop("limits", {})
    return command(**entities(form, _FIELDS), **resources, **limits)


def _trial(form: Form) -> TrialEntity:
    return TrialEntity(**entities(form, _FIELDS))


def _inputs(form: Form) -> dict[str, Any]:
    return {
        name: Input(**_unless_usual(value, _INPUT_MODE)) if isinstance(value, Mapping) else value
        for name, value in form.items()
    }


def _outputs(form: Form) -> dict[str, Output]:
    return {name: Output(**_unless_usual(value, _OUTPUT_MODE)) for name, value in form.items()}


def _unless_usual(form: Mapping[str, Any], mode: str) -> Form:
    """Return a form, without its mode if the mode is the default."""
    return {name: value for name, value in form.items() if (name, value) != ("mode", mode)}


#: Field of a job's form -> function that converts the field to an entity.
_FIELDS: dict[str, Callable[[Any], Any]] = {
    "trial": _trial,
    "compute": lambda reference: reference.removeprefix("azureml:"),
    "environment": environment_entity,
    "inputs": _inputs,
    "outputs": _outputs,
    "resources": lambda form: JobResourceConfiguration(**form),
    "distribution": of_type({"tensorflow": TensorFlowDistribution}),
    "identity": of_type(
        {
            "user_identity": UserIdentityConfiguration,
            "managed_identity": ManagedIdentityConfiguration,
        }
    ),
}
