"""The jobs that `run=` names in stage=status, stage=logs, stage=cancel and stage=compare.

A job may run in another terminal, or may have ended. In stage=status and stage=logs, `run=` can
also name an endpoint.
"""

import time
from functools import cached_property

from mnist_exp.config import Stage
from mnist_exp.errors import RefusedError
from mnist_exp.past_runs import PastRun, with_status
from mnist_exp.records import Record
from mnist_exp.results import JobResult
from mnist_exp.stages.context import StageContext
from mnist_exp.stages.sweep import with_trials
from mnist_exp.stages.watching import with_job_result
from mnist_exp.status import KILLED, JobStatus
from mnist_exp.sweeps.fields import did_you_mean
from mnist_exp.workspaces.base import BY_THE_USER

#: Seconds between two looks at a command that is ending.
_POLL_S = 0.05
#: Maximum number of names in a message.
_LISTED = 5


class NamedJob:
    """A training run, a sweep or a trial.

    Args:
        context: The context of the stage.
        name: The name of the job.
    """

    def __init__(self, context: StageContext, name: str) -> None:
        self.name = name
        self._context = context

    @cached_property
    def run(self) -> PastRun | None:
        """The records of the job; None for a trial, and for the job of another folder."""
        jobs = self._context.past_jobs
        return next((run for run in jobs if run.record.name == self.name), None)

    @cached_property
    def result(self) -> JobResult | None:
        """The present result of the job; None if the workspace does not know the job."""
        return self._context.workspace.job_result(self.name)

    @property
    def is_running(self) -> bool:
        """Whether a command on this machine runs the job, or still saves the job's results."""
        return self.run is not None and self.run.is_running

    def cancel(self) -> None:
        """Cancel the job. Wait until the job has ended, and until its command has saved the record.

        Raises:
            RefusedError: The job does not run.
        """
        if self.is_running and self.run and self.run.record.status is JobStatus.NOT_STARTED:
            raise RefusedError(
                f"run: must name a job that has started, got {self.name}, a variant that waits; "
                "cancel the variant when it runs, or press Ctrl-C in the terminal of the multirun "
                "to cancel all its variants"
            )
        self._context.workspace.cancel_job(self.name)
        # Without this loop, the next command would follow the ending command, instead of resuming
        # the job.
        while self.is_running:
            time.sleep(_POLL_S)

    def faults(self) -> list[str]:
        """Return a message if neither a record nor the workspace knows the job."""
        if self.run is not None or self.result is not None:
            return []
        names = [run.record.name for run in self._context.past_jobs]
        latest = ", ".join(names[: -_LISTED - 1 : -1]) or "none"
        return [
            f"run: no job {self.name} in {self._context.config.outputs_dir}; the latest jobs are: "
            f"{latest}{did_you_mean(self.name, names)}; mnist-exp stage=runs lists all jobs"
        ]

    def record(self) -> Record:
        """Return the record of the job, with the present result of a job that has not ended."""
        saved = self.run.record if self.run else None
        if saved is not None and (saved.status.is_finished or not self._context.is_here(saved)):
            return saved
        result = self.result or JobResult(self.name, JobStatus.FAILED, why=KILLED)
        if saved is not None and self.is_running and result.why == KILLED:
            # The command runs, but the job has not started yet.
            return saved
        stage = Stage.sweep if result.trials else Stage.train
        saved = saved or Record(stage, self.name, result.status, started="")
        if saved.stage is Stage.sweep:
            return with_trials(saved, result)
        return with_job_result(saved, result)


def print_job(context: StageContext, job: Record) -> None:
    """Print the summary of a job, and the command that resumes a job that was interrupted."""
    context.display.summary(job)
    if job.why in (KILLED, BY_THE_USER) and job.started:
        context.display.resume_hint(job)


def named_job(context: StageContext) -> NamedJob | None:
    """Return the job that `run=` names; None without `run=`, or if `run=` names an endpoint."""
    run = context.config.run
    deployed = context.index.newest_first(Stage.deploy)
    is_job = run is not None and all(record.name != run for record, _ in deployed)
    return NamedJob(context, run) if is_job else None


def running_jobs(context: StageContext) -> list[PastRun]:
    """Return the running jobs of this kind of workspace, oldest first."""
    runs = [run for run in context.past_jobs if context.is_here(run.record)]
    found = with_status(runs, lambda record: context.workspace.find_job(record.name))
    return [run for run in found if not run.record.status.is_finished]
