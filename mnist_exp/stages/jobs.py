"""stage=train and stage=sweep: submit a job, watch it, keep what it gave."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mnist_exp.build import command_job, sweep_job
from mnist_exp.config import Stage
from mnist_exp.errors import NotFoundError, OutputsError
from mnist_exp.lazy import figures, insights
from mnist_exp.names import new_job_name
from mnist_exp.records import Record, write_json
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.specs import CommandJob, SweepJob
from mnist_exp.stages.context import StageContext, StageInterrupted
from mnist_exp.stages.earlier_records import CONFIG_NAME, unfinished_sweep, unfinished_training
from mnist_exp.stages.resume import begun_job
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.ranking import Objective, logged_instead
from mnist_exp.workspaces.base import Detached, JobInterrupted

#: The trainer's own account of how the model did on the test digits.
_EVALUATION = "outputs/evaluation.json"


class TrainStage:
    """Runs the job once."""

    stage = Stage.train

    def faults(self, context: StageContext) -> list[str]:
        """A run that is to be gone on with must be there, and not completed."""
        if _is_named(context, self.stage):
            try:
                unfinished_training(context.index, str(context.config.run))
            except NotFoundError as error:
                return list(error.lines)
        return []

    def name(self, context: StageContext) -> str:
        """Return a new job name, or that of the run to go on with."""
        if _is_named(context, self.stage):
            return str(context.config.run)
        return begun_job(context, self.stage) or new_job_name("train")

    def run(self, context: StageContext, record: Record) -> Record:
        """Submit, watch, and draw the learning curves."""
        job = command_job(context.config, record.name)
        write_json(context.folder / CONFIG_NAME, context.config.content())
        try:
            result = _submit_and_watch(context, job, context.config.job.primary_metric)
        except JobInterrupted as interrupt:
            context.display.resumable(record)
            raise StageInterrupted(_with_result(record, interrupt.result)) from None
        except Detached:
            context.display.resumable(record)
            raise
        if result is None:
            context.display.resumable(record)
            return record.with_changes(status=JobStatus.NOT_STARTED)
        record = _with_result(record, result)
        record = record.with_changes(warnings=[*record.warnings, *_unlogged(context, result)])
        if job.outputs and result.status is JobStatus.FAILED:
            context.display.resumable(record)
        record.save(context.folder)
        if any(len(points) > 1 for points in result.metrics.values()):
            curves = partial(figures().learning_curves, result)
            record = _drawn(context, record, "learning_curves", curves)
        evaluation = _evaluation(context, result.name)
        told = {name: evaluation[name] for name in ("speed", "resumed_from") if name in evaluation}
        record = record.with_changes(insights=told)
        return _with_confusion_matrix(context, record, evaluation)


class SweepStage:
    """Searches for hyperparameters."""

    stage = Stage.sweep

    def faults(self, context: StageContext) -> list[str]:
        """A sweep that is to be gone on with must be there, and not have ended."""
        if _is_named(context, self.stage):
            try:
                unfinished_sweep(context.index, context.config.run)
            except NotFoundError as error:
                return list(error.lines)
        return []

    def name(self, context: StageContext) -> str:
        """Return a new job name, or that of the sweep to go on with; trials append their index."""
        if _is_named(context, self.stage):
            return str(context.config.run)
        return begun_job(context, self.stage) or new_job_name("sweep")

    def run(self, context: StageContext, record: Record) -> Record:
        """Submit, watch, and draw the trials."""
        job = sweep_job(context.config, record.name)
        write_json(context.folder / CONFIG_NAME, context.config.content())
        try:
            result = _submit_and_watch(context, job, job.objective.primary_metric)
        except JobInterrupted as interrupt:
            context.display.resumable(record)
            raise StageInterrupted(_with_trials(record, interrupt.result)) from None
        except (Detached, OutputsError, OSError):
            context.display.resumable(record)
            raise
        if result is None:
            context.display.resumable(record)
            return record.with_changes(status=JobStatus.NOT_STARTED)
        try:
            record = _with_insights(_with_trials(record, result), job, result)
            return self._with_figures(context, job.objective, result, record)
        except KeyboardInterrupt:
            # All trials have ended; to go on is to have the result told.
            context.display.resumable(record)
            raise

    def _with_figures(
        self, context: StageContext, objective: Objective, result: JobResult, record: Record
    ) -> Record:
        metric, goal = objective.primary_metric, objective.goal.value
        # Nothing is saved before: a sweep whose command is killed here is told of again.
        if any(trial.events for trial in result.trials):
            for name, draw in (
                ("sweep", figures().sweep_figure),
                ("parallel_coordinates", figures().parallel_coordinates),
            ):
                record = _drawn(context, record, name, partial(draw, result, metric, goal))
        if result.best is not None:
            curves = partial(figures().learning_curves, result)
            record = _drawn(context, record, "best_learning_curves", curves)
            evaluation = _evaluation(context, result.best)
            record = _with_confusion_matrix(context, record, evaluation)
        return record


def _with_insights(record: Record, job: SweepJob, result: JobResult) -> Record:
    metric, epochs = job.objective.primary_metric, _epochs(job.trial)
    try:
        return record.with_changes(insights=insights().sweep_insights(result, metric, epochs))
    except Exception as error:
        # Whatever Optuna may raise over what a script may log: no result is worth less.
        warning = f"no insights: {type(error).__name__}: {error}"
        return record.with_changes(warnings=[*record.warnings, warning])


def _drawn(
    context: StageContext, record: Record, name: str, draw: Callable[[Path], Path]
) -> Record:
    """Draw a figure; one that cannot be drawn is a warning, since no result is worth less."""
    try:
        path = draw(context.figure(name))
    except Exception as error:
        # Whatever matplotlib may raise over what a script may log.
        warning = f"no figure {name}: {type(error).__name__}: {error}"
        return record.with_changes(warnings=[*record.warnings, warning])
    return record.with_changes(paths=dict(record.paths) | {name: str(path)})


def _evaluation(context: StageContext, job: str) -> Mapping[str, Any]:
    """Return what a job's script left of how good it is; empty where it left nothing of the kind.

    A user's own script may leave any file of that name.
    """
    path = context.workspace.download(job, _EVALUATION)
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _with_confusion_matrix(
    context: StageContext, record: Record, evaluation: Mapping[str, Any]
) -> Record:
    """Draw a job's confusion matrix, if its script left one."""
    if "confusion_matrix" not in evaluation or "classes" not in evaluation:
        return record
    counts = evaluation["confusion_matrix"], evaluation["classes"]
    return _drawn(context, record, "confusion_matrix", partial(figures().confusion_matrix, *counts))


def _is_named(context: StageContext, stage: Stage) -> bool:
    """Whether the command goes on with a job of this stage; the run of others is of another."""
    return context.config.stage is stage and context.config.run is not None


def _submit_and_watch(
    context: StageContext, job: CommandJob | SweepJob, primary_metric: str
) -> JobResult | None:
    """Return how the job ended; None if it is only to be submitted."""
    workspace = context.workspace
    if status := workspace.find_job(job.name):
        context.display.message(
            f"found {job.name} ({status.value}), goes on with it as it was submitted"
        )
    command = job.trial if isinstance(job, SweepJob) else job
    name = workspace.submit(job)
    if not context.config.wait:
        return None
    trials = job.limits.max_total_trials if isinstance(job, SweepJob) else None
    with context.display.watching(_epochs(command), primary_metric, trials) as observer:
        return workspace.watch(name, observer)


def _epochs(job: CommandJob) -> int | None:
    epochs = job.inputs.get("epochs")
    return epochs if isinstance(epochs, int) else None


def _with_result(record: Record, result: JobResult) -> Record:
    paths = {"folder": result.folder, "log": result.log}
    return record.with_changes(
        status=result.status,
        parameters=dict(result.parameters),
        metrics=result.last_metrics,
        paths={key: path for key, path in paths.items() if path},
        why=result.why,
        log_tail=list(result.log_tail),
        warnings=list(result.warnings),
    )


def _with_trials(record: Record, result: JobResult) -> Record:
    trials = [_trial(trial) for trial in result.trials]
    return _with_result(record, result).with_changes(trials=trials, best=_best(result))


def _unlogged(context: StageContext, result: JobResult) -> list[str]:
    """Return a warning if the script logged metrics, and the primary one is not among them."""
    wanted = context.config.job.primary_metric
    if result.status is not JobStatus.COMPLETED or not result.metrics or wanted in result.metrics:
        return []
    near = logged_instead(wanted, result.metrics, "job.primary_metric")
    return [f"job.primary_metric: the script did not log {wanted!r}; {near}"]


def _trial(trial: TrialResult) -> Mapping[str, Any]:
    return {
        "name": trial.name,
        "status": trial.status.value,
        "parameters": dict(trial.parameters),
        "best": trial.best,
        "last": trial.last,
        "events": trial.events,
        "cut": trial.cut,
        "why": trial.why,
        "log": trial.log,
        "duration_s": round(trial.duration_s, 3),
    }


def _best(result: JobResult) -> Mapping[str, Any] | None:
    best = result.best_trial
    if best is None:
        return None
    last = {name: points[-1].value for name, points in best.metrics.items() if points}
    return {
        "name": best.name,
        "value": best.best,
        "parameters": dict(best.parameters),
        "metrics": last,
    }
