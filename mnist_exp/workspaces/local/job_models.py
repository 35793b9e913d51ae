"""Registered models as inputs and outputs of jobs on this machine.

The path of an input may name a registered model: `azureml:NAME:VERSION` or `azureml:NAME@latest`.
An output may have a model's type and a `name`. When the job has completed, such an output is
registered as a new version of the model with this name.
https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_exp.config import ModelType
from mnist_exp.results import JobResult, RegisteredModel, TrialResult
from mnist_exp.specs import CommandJob, Literal, ModelSpec, PathInput, parse_model_name
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import Observer
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.tracking.sources import ModelSource, chosen_model

if TYPE_CHECKING:
    from mnist_exp.workspaces.local.tracking.store import Tracking

_PREFIX = "azureml:"


class JobModels:
    """The registered models that jobs read and create.

    Args:
        jobs: The folder `<outputs>/jobs`.
        opener: Function that returns the MLflow store. The first call imports MLflow.
    """

    def __init__(self, jobs: Path, opener: "Callable[[], Tracking]") -> None:
        self._jobs = jobs
        self._opener = opener

    def with_files(self, job: CommandJob) -> CommandJob:
        """Return a copy of the job in which paths of files replace the names of registered models.

        Raises:
            NotFoundError: A model does not exist.
        """
        inputs = {name: self._located(value) for name, value in job.inputs.items()}
        return replace(job, inputs=inputs)

    def _located(self, value: Literal | PathInput) -> Literal | PathInput:
        if not isinstance(value, PathInput) or value.type not in tuple(ModelType):
            return value
        reference = str(value.path)
        if not reference.startswith(_PREFIX) or "://" in reference:
            return value
        model = self._opener().models.registered(*parse_model_name(reference))
        return replace(value, path=Path(model.path))

    def register_outputs(
        self, job: CommandJob, ended: JobResult | TrialResult, observer: Observer
    ) -> None:
        """Register the named model outputs of a job, or of the best trial of a sweep."""
        for spec in _named_models(replace(job, name=ended.name)):
            if ended.status is not JobStatus.COMPLETED:
                observer.message(
                    f"{spec.path} of {ended.name} is not registered as the model {spec.name}, "
                    f"because this trial is {ended.status}"
                )
                continue
            newest = self._opener().models.find(spec.name, None)
            # If this command only reads the result of an ended sweep, the model already exists.
            if newest is None or newest.path != str(self.source(spec).path.resolve()):
                newest = self.register(spec)
                reference = f"{newest.name}:{newest.version}"
                observer.message(f"{spec.path} is registered as the model {reference}")

    def register(self, spec: ModelSpec) -> RegisteredModel:
        """Register the saved files of a job as a model in MLflow's model registry."""
        source = self.source(spec)
        return self._opener().models.register(spec, JobFolder(self._jobs, spec.job).run_id, source)

    def source(self, spec: ModelSpec) -> ModelSource:
        """Return the files of the model to register.

        Raises:
            JobError: The job has not saved these files.
        """
        folder = JobFolder(self._jobs, spec.job)
        source = folder.saved(spec.saved_path)
        if source.exists():
            return ModelSource(source)
        logged = self._opener().models.logged(folder.run_id) if folder.exists else []
        return chosen_model(spec, logged, folder.artifacts)


def _named_models(job: CommandJob) -> Iterator[ModelSpec]:
    """Yield the model to register for each output that has a name and a model's type."""
    for output, spec in job.outputs.items():
        if spec.name and spec.type in tuple(ModelType):
            yield ModelSpec(spec.name, job.name, f"named_outputs/{output}", spec.type)
