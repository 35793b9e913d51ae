"""The common code of `stage=train` and `stage=sweep`: submit and watch a job, draw its results."""

import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from mnist_exp.config import Stage
from mnist_exp.errors import ConnectionLostError, MnistExpError
from mnist_exp.lazy import figures
from mnist_exp.records import INVALID_JSON, Record
from mnist_exp.results import JobResult
from mnist_exp.specs import CommandJob, Spec, SweepJob
from mnist_exp.stages.context import ProgressView, StageContext, StageInterrupted, StageRunner
from mnist_exp.stages.pages import LivePage
from mnist_exp.stages.resume import job_name
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import JobInterrupted

#: File of the trainer's evaluation (the results for the test digits) in the job's folder.
_EVALUATION = "outputs/evaluation.json"
#: Keys of the evaluation that become insights of a training run.
_INSIGHTS = ("speed", "resumed_from")


class JobStage(StageRunner):
    """A stage that submits a job and watches it."""

    @cached_property
    def name(self) -> str:
        """The name of the job to resume, or a new name."""
        return job_name(self.context, self.stage)

    @property
    @abstractmethod
    def job(self) -> CommandJob | SweepJob:
        """The spec of the job."""

    @property
    def specs(self) -> Sequence[Spec]:
        """The job."""
        return (self.job,)


def submit_and_watch(
    context: StageContext,
    job: CommandJob | SweepJob,
    primary_metric: str,
    record: Record,
    with_result: Callable[[Record, JobResult], Record],
) -> JobResult | None:
    """Submit a job, watch the job until its end, and return its result.

    Meanwhile, the page of the job is rewritten. If `wait=false`, do not watch the job, and return
    None.

    Args:
        context: The context of the stage.
        job: The job.
        primary_metric: The metric to show.
        record: The job's record.
        with_result: Function that adds the result of the job to the record.
    """
    workspace = context.workspace
    if workspace.outlives_command and (status := _find_job(context, job.name)):
        context.display.message(
            f"found {job.name} ({status.value}): the command submits no new job"
        )
    name = workspace.submit(job)
    if not context.config.wait:
        return None
    with progress(context, job, primary_metric) as observer:
        return workspace.watch(name, LivePage(context, record, with_result, observer))


def progress(
    context: StageContext, job: CommandJob | SweepJob, primary_metric: str
) -> ProgressView:
    """Return a context manager that shows the progress of a job."""
    if isinstance(job, SweepJob):
        epochs, trials = epochs_of(job.trial), job.limits.max_total_trials
        return context.display.watching(epochs, primary_metric, trials)
    return context.display.watching(epochs_of(job), primary_metric)


def _find_job(context: StageContext, name: str) -> JobStatus | None:
    try:
        return context.workspace.find_job(name)
    except MnistExpError as error:
        if context.config.run is None:
            raise
        # An earlier command submitted the job. The job may have completed.
        raise ConnectionLostError(str(error)) from error


@contextmanager
def resumable(
    context: StageContext,
    record: Record,
    with_result: Callable[[Record, JobResult], Record],
    *errors: type[BaseException],
) -> Iterator[None]:
    """If the `with` block is interrupted, print the command that resumes the job.

    Args:
        context: The context of the stage.
        record: The job's record before the `with` block.
        with_result: Function that adds the result of an interrupted job to the record.
        errors: Exceptions, in addition to an interrupt, after which the job can be resumed.

    Raises:
        StageInterrupted: The user interrupted the job. The exception's record has the job's result.
    """
    try:
        yield
    except JobInterrupted as interrupt:
        context.display.resume_hint(record)
        raise StageInterrupted(with_result(record, interrupt.result)) from None
    except errors:
        context.display.resume_hint(record)
        raise


def epochs_of(job: CommandJob) -> int | None:
    """Return the number of epochs of a job; None if the job has no integer input `epochs`."""
    epochs = job.inputs.get("epochs")
    return epochs if isinstance(epochs, int) else None


def with_job_result(record: Record, result: JobResult) -> Record:
    """Return the record with the result of its job."""
    paths = {"folder": result.folder, "log": result.log, "mlflow": result.tracking_page}
    return record.with_changes(
        status=result.status,
        parameters=dict(result.parameters),
        metrics=result.last_metrics,
        paths={key: path for key, path in paths.items() if path},
        why=result.why,
        log_tail=list(result.log_tail),
        warnings=list(result.warnings),
        logged_models=list(result.logged_models),
        unread=list(result.unread),
    )


def with_hint(context: StageContext, record: Record) -> Record:
    """Print the command that reads the unread results of a job. Return the record with warnings."""
    if not record.unread:
        return record
    context.display.resume_hint(record)
    return record.with_changes(warnings=[*record.warnings, *record.unread])


def with_figure(
    context: StageContext, record: Record, name: str, draw: Callable[[Path], Path]
) -> Record:
    """Return the record with the paths of a figure, or with a warning if drawing fails."""
    try:
        paths = {key: str(draw(path)) for key, path in context.figures(name).items()}
    except Exception as error:
        # Scripts may log values that matplotlib cannot draw. The job's result must not be lost.
        warning = f"figure {name}: could not be drawn ({type(error).__name__}: {error})"
        return record.with_changes(warnings=[*record.warnings, warning])
    return record.with_changes(paths=dict(record.paths) | paths)


def with_evaluation(context: StageContext, record: Record, job: str) -> Record:
    """Return the record with the insights and the confusion matrix of a job's evaluation.

    The evaluation is a file that the script of the job wrote. A user's own script may write other
    content to the same file name.
    """
    try:
        path = context.workspace.download(job, _EVALUATION)
    except MnistExpError as error:
        # The job has completed, even if its files cannot be read.
        return record.with_changes(unread=[*record.unread, f"evaluation: cannot be read: {error}"])
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, *INVALID_JSON):
        return record
    evaluation = content if isinstance(content, dict) else {}
    known = {key: evaluation[key] for key in _INSIGHTS if key in evaluation}
    if record.stage is Stage.train:
        record = record.with_changes(insights=known)
    return _with_confusion_matrix(context, record, job, evaluation)


def _with_confusion_matrix(
    context: StageContext, record: Record, job: str, evaluation: Mapping[str, Any]
) -> Record:
    if "confusion_matrix" not in evaluation or "classes" not in evaluation:
        return record
    counts = evaluation["confusion_matrix"], evaluation["classes"]
    draw = partial(figures().confusion_matrix, *counts, job)
    return with_figure(context, record, "confusion_matrix", draw)
