"""stage=register: register the model of the best trial, or of a training run."""

from dataclasses import asdict

from mnist_exp.build import model_spec
from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError
from mnist_exp.records import Record
from mnist_exp.stages.context import StageContext
from mnist_exp.stages.earlier_records import model_source, source_job


class RegisterStage:
    """The stage that registers the model of a completed job."""

    stage = Stage.register

    def faults(self, context: StageContext) -> list[str]:
        """Return an error message if there is no completed job with a model."""
        try:
            source_job(context)
        except NotFoundError as error:
            return list(error.lines)
        return []

    def name(self, context: StageContext) -> str:
        """Return the model's name without a version. The workspace later chooses the version."""
        return context.config.registration.name

    def run(self, context: StageContext, record: Record) -> Record:
        """Register the model of the best trial, or of the training run."""
        source = source_job(context)
        spec = model_spec(context.config, model_source(context))
        model = context.workspace.register_model(spec)
        metrics = source.best["metrics"] if source.best else source.metrics
        parameters = source.best["parameters"] if source.best else source.parameters
        return record.with_changes(
            name=f"{model.name}:{model.version}",
            model=asdict(model),
            metrics=dict(metrics),
            parameters=dict(parameters),
        )
