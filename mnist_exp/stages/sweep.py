"""stage=sweep: search for hyperparameters."""

from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any

from mnist_exp.build import sweep_job
from mnist_exp.config import Stage
from mnist_exp.errors import ConnectionLostError, OutputsError
from mnist_exp.lazy import figures, insights
from mnist_exp.records import Record
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.specs import SweepJob
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
from mnist_exp.sweeps.space.expressions import Scale
from mnist_exp.workspaces.base import Detached

#: Errors after which the sweep can be resumed.
_RESUMABLE = (Detached, ConnectionLostError, OutputsError, OSError)


class SweepStage(JobStage):
    """The stage that searches for hyperparameters."""

    stage = Stage.sweep

    @cached_property
    def job(self) -> SweepJob:
        """The spec of the sweep."""
        return sweep_job(self.context.config, self.name)

    def run(self, record: Record) -> Record:
        """Submit and watch the sweep, and draw figures of the trials."""
        job = self.job
        keep_config(self.context)
        with resumable(self.context, record, with_trials, *_RESUMABLE):
            result = submit_and_watch(
                self.context, job, job.objective.primary_metric, record, with_trials
            )
        if result is None:
            self.context.display.resume_hint(record)
            return record.with_changes(status=JobStatus.NOT_STARTED)
        # All trials have ended. If the user interrupts this block, a resumed sweep runs no trial
        # again.
        with resumable(self.context, record, with_trials, KeyboardInterrupt):
            save_curves(record, result, self.context.folder)
            record = with_insights(with_trials(record, result), job, result)
            record = _with_figures(self.context, job, result, record)
            record = _with_artifacts(self.context, record)
            return with_hint(self.context, record)


def with_insights(record: Record, job: SweepJob, result: JobResult) -> Record:
    """Return the record with insights from the trials, or with a warning after an error."""
    epochs = epochs_of(job.trial)
    try:
        found = insights().sweep_insights(result, job.objective, epochs, _scales(job))
        return record.with_changes(insights=found)
    except Exception as error:
        # Scripts may log values that Optuna cannot handle. The sweep's result must not be lost.
        warning = f"insights: could not be computed ({type(error).__name__}: {error})"
        return record.with_changes(warnings=[*record.warnings, warning])


def _scales(job: SweepJob) -> Mapping[str, Scale]:
    return {name: expression.scale for name, expression in job.search_space.items()}


def _with_figures(
    context: StageContext, job: SweepJob, result: JobResult, record: Record
) -> Record:
    """Draw figures of the trials and of the best trial.

    The caller saves the record after the figures are drawn. If the command is killed during the
    drawing, the saved record has no trials. The sweep then counts as unfinished, and a resumed
    sweep draws the figures.
    """
    objective, epochs, scales = job.objective, epochs_of(job.trial), _scales(job)
    if any(trial.events for trial in result.trials):
        for name, draw in (
            ("sweep", partial(figures().sweep_figure, result, objective, epochs, scales)),
            (
                "parallel_coordinates",
                partial(figures().parallel_coordinates, result, objective, scales),
            ),
        ):
            record = with_figure(context, record, name, draw)
    if result.best is not None:
        metric = objective.primary_metric
        curves = partial(figures().learning_curves, result, epochs, metric)
        record = with_figure(context, record, "best_learning_curves", curves)
        record = with_evaluation(context, record, result.best)
    return record


def _with_artifacts(context: StageContext, record: Record) -> Record:
    """Add the figures to the sweep's MLflow run. After an error, return a record with a warning."""
    figures = {f"figures/{path.name}": path for path in (context.folder / "figures").glob("*")}
    try:
        context.workspace.add_artifacts(record.name, figures)
    except OSError as error:
        warning = f"figures: could not be added to the artifacts of the sweep in MLflow ({error})"
        return record.with_changes(warnings=[*record.warnings, warning])
    return record


def with_trials(record: Record, result: JobResult) -> Record:
    """Return the record with the result of its sweep, and with the trials."""
    trials = [_trial_entry(trial) for trial in result.trials]
    return with_job_result(record, result).with_changes(trials=trials, best=_best_entry(result))


def _trial_entry(trial: TrialResult) -> Mapping[str, Any]:
    return {
        "name": trial.name,
        "status": trial.status.value,
        "parameters": dict(trial.parameters),
        "best": trial.best,
        "last": trial.last,
        "events": trial.events,
        "late": trial.late,
        "cut": trial.cut,
        "why": trial.why,
        "log": trial.log,
        "duration_s": round(trial.duration_s, 3),
    }


def _best_entry(result: JobResult) -> Mapping[str, Any] | None:
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
