"""stage=register: register the model of the best trial, or of a training run."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property

from mnist_exp.build import model_spec
from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.records import Record
from mnist_exp.specs import ModelSpec, Spec
from mnist_exp.stages.context import StageRunner
from mnist_exp.stages.earlier_records import model_source, source_job


class RegisterStage(StageRunner):
    """The stage that registers the model of a completed job."""

    stage = Stage.register

    def faults(self) -> list[str]:
        """Return an error message if there is no completed job with a model."""
        try:
            source_job(self.context)
        except NotFoundError as error:
            return list(error.lines)
        return []

    @cached_property
    def name(self) -> str:
        """The model's name without a version. The workspace later chooses the version."""
        return self.context.config.registration.name

    @cached_property
    def model(self) -> ModelSpec:
        """The spec of the model."""
        return model_spec(self.context.config, model_source(source_job(self.context)))

    @property
    def specs(self) -> Sequence[Spec]:
        """The model."""
        return (self.model,)

    def run(self, record: Record) -> Record:
        """Register the model of the best trial, or of the training run."""
        source = source_job(self.context)
        model = self.context.workspace.register_model(self.model)
        for note in model.notes:
            self.context.display.message(note)
        metrics = source.best["metrics"] if source.best else source.metrics
        parameters = source.best["parameters"] if source.best else source.parameters
        return record.with_changes(
            name=f"{model.name}:{model.version}",
            model=asdict(model),
            metrics=dict(metrics),
            parameters=dict(parameters),
        )
