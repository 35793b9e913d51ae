"""Run a sweep on this machine.

Each trial is a job. In MLflow, the run of the sweep is the parent of the trials' runs.
"""

import gc
import time
from contextlib import closing
from dataclasses import replace

from mnist_exp.results import JobResult
from mnist_exp.snapshot import snapshot_hash
from mnist_exp.specs import SweepJob
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.journal import Created, History, Resumed
from mnist_exp.sweeps.sampling.algorithms import SamplingType, with_seed
from mnist_exp.sweeps.sampling.drawing import configurations
from mnist_exp.sweeps.tuner import Tuner
from mnist_exp.workspaces.base import JobInterrupted
from mnist_exp.workspaces.local.jobs.environment import TrackedRun
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.jobs.host import JobHost
from mnist_exp.workspaces.local.jobs.launching import JobLauncher, cores, with_limited_threads
from mnist_exp.workspaces.local.processes.job_orphans import end_orphans, of_sweep
from mnist_exp.workspaces.local.sweep.journal_file import JournalFile
from mnist_exp.workspaces.local.sweep.reporting import SweepListener, sweep_result, track_end
from mnist_exp.workspaces.local.sweep.resume_plan import (
    ResumePlan,
    as_submitted,
    description,
    load_history,
    plan_resume,
    record_last_values,
    unread_points,
)
from mnist_exp.workspaces.local.sweep.trial_backend import TrialBackend


def run_sweep(job: SweepJob, host: JobHost) -> JobResult:
    """Run or resume a sweep until all trials have ended, and return the result of the sweep.

    If the sweep has already ended, return the result from the journal.

    Args:
        job: The sweep. The trials are jobs named `<sweep>_<index>`. Their MLflow runs are nested in
            the run of the sweep.
        host: The context of local jobs.

    Raises:
        RefusedError: Another command runs the sweep, or the sweep was created with different rules
            (command, search space, sampling, objective or early termination).
        JobInterrupted: The user canceled the sweep. All trials have ended, and their results are
            recorded.
    """
    folder = JobFolder(host.root, job.name)
    with folder.locked():
        _warn_of_crowding(job, host)
        journal = JournalFile(folder.path)
        try:
            return _SweepRunner(job, host, folder, journal).run()
        finally:
            journal.close()


def started_launcher(job: SweepJob, host: JobHost) -> JobLauncher:
    """Save the code of a sweep, and start the fork server of the trials.

    The fork server imports the trials' libraries while this process continues.
    """
    folder, trial = (
        JobFolder(host.root, job.name),
        with_limited_threads(job.trial, job.limits.max_concurrent_trials),
    )
    if trial.code is not None:
        trial = replace(trial, code=folder.keep_code(trial.code))
    launcher = JobLauncher(folder.path, host.observer.message, host.interpreter)
    launcher.prepare(trial, host.root.parent, host.served)
    return launcher


class _SweepRunner:
    """A runner for one sweep, which may be new, interrupted or ended."""

    def __init__(
        self, job: SweepJob, host: JobHost, folder: JobFolder, journal: JournalFile
    ) -> None:
        self._history = load_history(
            job, journal, has_trials=JobFolder(host.root, f"{job.name}_0").exists
        )
        if self._history:
            job = as_submitted(job, self._history)
        else:
            job = replace(job, sampling=with_seed(job.sampling))
        self._job = job
        self._host = host
        self._folder = folder
        self._journal = journal

    def run(self) -> JobResult:
        """Run the sweep until all trials have ended."""
        if self._history:
            # If an earlier command was killed, processes of the sweep's trials may still run.
            end_orphans(of_sweep(self._folder.path))
        job = self._with_code_and_threads()
        with closing(self._launcher()) as launcher:
            run = self._tracked_run()
            plan = self._plan_resume(self._history) if self._history else ResumePlan()
            if not self._history:
                self._journal.append(Created(description(self._job), at=time.time()))
            backend = TrialBackend(job, self._host, run, launcher, plan)
            if launcher.is_loading:
                self._host.observer.idle()
            # Without `freeze`, each garbage collection would visit the objects of all libraries.
            # The collection would take 0.15 s, and the sweep would read no metrics in this time.
            gc.freeze()
            try:
                return self._tune(backend, run)
            finally:
                gc.unfreeze()
                backend.close()

    def _launcher(self) -> JobLauncher:
        """Return the launcher of the trials, whose fork server may have started earlier."""
        if isinstance(self._host.launcher, JobLauncher):
            return self._host.launcher
        if self._history and self._history.finished:
            message = self._host.observer.message
            return JobLauncher(self._folder.path, message, self._host.interpreter)
        return started_launcher(self._job, self._host)

    def _with_code_and_threads(self) -> SweepJob:
        """Return the job with the thread limits of a trial, and with the saved code of the sweep.

        All trials use the code that is saved when the sweep begins. On Azure ML, all trials also
        use one snapshot of the code, which is saved when the sweep is submitted.
        """
        concurrent = self._job.limits.max_concurrent_trials
        trial = with_limited_threads(self._job.trial, concurrent)
        if trial.code is None or (self._history and self._history.finished):
            return replace(self._job, trial=trial)
        kept = self._folder.keep_code(trial.code)
        outputs = self._host.root.parent
        is_resumed = self._history is not None and trial.code.is_dir()
        if is_resumed and snapshot_hash(trial.code, outputs) != snapshot_hash(kept):
            self._host.observer.message(
                f"the sweep resumes with the code that was saved when the sweep began, in {kept}; "
                f"later changes in {trial.code} are ignored"
            )
        return replace(self._job, trial=replace(trial, code=kept))

    def _tracked_run(self) -> TrackedRun:
        """Return the sweep's MLflow run. Create the run if no earlier command created it."""
        folder, tracking = self._folder, self._host.tracking
        if folder.exists:
            kept = folder.description("mlflow_run_id", "mlflow_experiment_id")
            tracking.resume(kept["mlflow_run_id"])
            return tracking.tracked(kept["mlflow_run_id"], kept["mlflow_experiment_id"])
        tags = {
            "azureml.job": self._job.name,
            "azureml.runType": "sweep",
            "runTemplate": "HyperDrive",
        }
        trial = self._job.trial
        run = tracking.start(
            trial.experiment_name, self._job.name, folder.path, tags, trial.run_name
        )
        tracking.log_inputs(run.run_id, trial.inputs)
        folder.describe(
            {
                "name": self._job.name,
                "mlflow_run_id": run.run_id,
                "mlflow_experiment_id": run.experiment_id,
            }
        )
        return run

    def _plan_resume(self, history: History) -> ResumePlan:
        message = self._host.observer.message
        if history.finished:
            message("all trials have already ended; the result is read from the journal")
            return ResumePlan()
        metric = self._job.objective.primary_metric
        folders = {
            trial.index: JobFolder(self._host.root, f"{self._job.name}_{trial.index}")
            for trial in history.trials
            if not trial.status.is_finished
        }
        unread = unread_points(history, folders, self._host.tracking.store)
        plan = plan_resume(history, folders, metric, unread)
        self._journal.append(Resumed(tuple(plan.resumed), tuple(plan.restarted), at=time.time()))
        for index in plan.restarted:
            history.trials[index].forget_values()
        record_last_values(history, folders, unread, self._journal, metric)
        ended = sum(trial.status.is_finished for trial in history.trials)
        message(
            f"the sweep resumes: {ended} trials have ended, {len(plan.resumed)} resume, "
            f"{len(plan.restarted)} restart"
        )
        for index in plan.stepless:
            message(
                f"trial {index} restarts and does not resume, although it has named outputs: it "
                f"logs {metric} without steps, so repeated values cannot be recognized; log "
                f"{metric} with step= to let the trial resume"
            )
        return plan

    def _tune(self, backend: TrialBackend, run: TrackedRun) -> JobResult:
        if self._history:
            trials = self._history.trials
            backend.close_ended(
                [trial for trial in trials if trial.status is not JobStatus.RUNNING]
            )
        tuner = self._tuner(backend)
        interrupted, is_over = False, False
        try:
            tuner.run()
            is_over = True
        except KeyboardInterrupt:
            interrupted = True
        finally:
            backend.close()
            result = sweep_result(self._job, self._folder, tuner.result(), backend)
            result = replace(result, tracking_page=run.page)
            track_end(result, run, self._host.tracking, self._job, is_over=is_over)
        if interrupted:
            raise JobInterrupted(result)
        self._host.observer.job_changed(result)
        return result

    def _tuner(self, backend: TrialBackend) -> Tuner:
        job, history = self._job, self._history
        learner = None
        if job.sampling.type is SamplingType.BAYESIAN:
            # Import late: the module imports Optuna, and only bayesian sampling needs Optuna.
            from mnist_exp.sweeps.sampling.bayesian import BayesianConfigurations  # noqa: PLC0415

            trials = history.trials if history else ()
            learner = BayesianConfigurations(
                job.search_space, job.sampling, job.objective.goal, trials
            )
        return Tuner(
            configurations=learner or configurations(job.search_space, job.sampling),
            limits=job.limits,
            objective=job.objective,
            policy=job.early_termination,
            backend=backend,
            listener=SweepListener(job, backend, self._host.observer),
            journal=self._journal,
            history=history,
            learner=learner,
            fail_fast=job.fail_fast,
            fail_on_failed_trials=job.fail_on_failed_trials,
        )


def _warn_of_crowding(job: SweepJob, host: JobHost) -> None:
    concurrent = job.limits.max_concurrent_trials
    if concurrent > cores() and job.limits.max_total_trials > cores():
        host.observer.message(
            f"sweep.limits.max_concurrent_trials: {concurrent} concurrent trials slow each other "
            f"down on {cores()} cores; {cores()} concurrent trials would be equally fast"
        )
