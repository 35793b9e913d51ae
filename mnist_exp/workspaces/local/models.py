"""Registered models as inputs and outputs of jobs on this machine.

The path of an input may name a registered model: `azureml:NAME:VERSION` or `azureml:NAME@latest`.
An output may have a model's type and a `name`. When the job has completed, such an output is
registered as a new version of the model with this name.
https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from mnist_exp.config import ModelType
from mnist_exp.specs import CommandJob, Literal, ModelSpec, PathInput, parse_model_name

_PREFIX = "azureml:"

#: Function that returns the files of a model. Its arguments are the name and the version of the
#: model. The version None means the newest version.
FindModel = Callable[[str, str | None], Path]


def with_model_files(job: CommandJob, find: FindModel) -> CommandJob:
    """Return a copy of the job in which paths of files replace the names of registered models.

    Raises:
        NotFoundError: A model does not exist.
    """

    def located(value: Literal | PathInput) -> Literal | PathInput:
        if not isinstance(value, PathInput) or value.type not in tuple(ModelType):
            return value
        reference = str(value.path)
        if not reference.startswith(_PREFIX) or "://" in reference:
            return value
        return replace(value, path=find(*parse_model_name(reference)))

    return replace(job, inputs={name: located(value) for name, value in job.inputs.items()})


def named_models(job: CommandJob) -> Iterator[ModelSpec]:
    """Yield the model to register for each output that has a name and a model's type."""
    for output, spec in job.outputs.items():
        if spec.name and spec.type in tuple(ModelType):
            yield ModelSpec(spec.name, job.name, f"named_outputs/{output}", spec.type)
