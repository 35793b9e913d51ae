"""stage=train: run the training job once."""

from contextlib import AbstractContextManager
from functools import cached_property, partial

from mnist_exp.build import command_job
from mnist_exp.config import Stage
from mnist_exp.errors import ConnectionLostError
from mnist_exp.lazy import figures
from mnist_exp.records import Record
from mnist_exp.results import JobResult
from mnist_exp.specs import CommandJob
from mnist_exp.stages.context import StageContext
from mnist_exp.stages.pages import save_curves
from mnist_exp.stages.resume import keep_config
from mnist_exp.stages.watching import (
    JobStage,
    epochs_of,
    resumable,
    submit_and_watch,
    with_evaluation,
    with_figure,
    with_hint,
    with_job_result,
)
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.ranking import logged_instead, logged_to_other_runs
from mnist_exp.templates import has_pipe
from mnist_exp.workspaces.base import Detached


class TrainStage(JobStage):
    """The stage that runs the training job once."""

    stage = Stage.train

    @cached_property
    def job(self) -> CommandJob:
        """The spec of the training job."""
        return command_job(self.context.config, self.name)

    def run(self, record: Record) -> Record:
        """Submit and watch the job, and draw the learning curves."""
        context = self.context
        keep_config(context)
        with self.resumable(record):
            metric = context.config.job.primary_metric or ""
            result = submit_and_watch(context, self.job, metric, record, with_job_result)
        if result is None:
            context.display.resume_hint(record)
            return record.with_changes(status=JobStatus.NOT_STARTED)
        return self.with_result(record, result)

    def resumable(self, record: Record) -> AbstractContextManager[None]:
        """If the `with` block is interrupted, print the command that resumes the job."""
        return resumable(self.context, record, with_job_result, Detached, ConnectionLostError)

    def with_result(self, record: Record, result: JobResult) -> Record:
        """Return the record with the result of the job, and draw the learning curves."""
        context = self.context
        record = with_job_result(record, result)
        record = record.with_changes(warnings=[*record.warnings, *_unlogged(context, result)])
        if self.job.outputs and result.status is JobStatus.FAILED:
            context.display.resume_hint(record)
        record.save(context.folder)
        save_curves(record, result, context.folder)
        return with_hint(context, _with_figures(context, record, self.job, result))


def _with_figures(
    context: StageContext, record: Record, job: CommandJob, result: JobResult
) -> Record:
    """Return the record with the figures and the insights (the speed and the resumed epoch)."""
    if any(len(points) > 1 for points in result.metrics.values()):
        epochs, metric = epochs_of(job), context.config.job.primary_metric
        curves = partial(figures().learning_curves, result, epochs, metric)
        record = with_figure(context, record, "learning_curves", curves)
    return with_evaluation(context, record, result.name)


def _unlogged(context: StageContext, result: JobResult) -> list[str]:
    """Return a warning if the script did not log the primary metric."""
    job = context.config.job
    wanted = job.primary_metric
    if wanted is None or result.status is not JobStatus.COMPLETED or wanted in result.metrics:
        return []
    if result.unread:
        return []
    if wanted in result.metrics_of_script_runs:
        return [f"job.primary_metric: {logged_to_other_runs(wanted)}"]
    if result.metrics:
        near = logged_instead(wanted, result.metrics, "job.primary_metric")
        return [f"job.primary_metric: the script did not log {wanted!r}; {near}"]
    has_hint = has_pipe(job.command or "")
    hint = "; if a command before a pipe may fail, begin with: set -o pipefail;" if has_hint else ""
    return [
        f"job.primary_metric: the script logged no metric; log {wanted} with mlflow.log_metric, "
        f"or set job.primary_metric=null if the script logs no metric{hint}"
    ]
