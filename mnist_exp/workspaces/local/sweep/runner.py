"""A sweep on this machine: the tuner's trials as jobs, and the sweep as their MLflow parent run."""

import gc
import time
from contextlib import closing
from dataclasses import replace

from mnist_exp.results import JobResult
from mnist_exp.snapshot import snapshot_hash
from mnist_exp.specs import CommandJob, SweepJob
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.journal import Created, History, Resumed
from mnist_exp.sweeps.sampling.algorithms import SamplingType, with_seed
from mnist_exp.sweeps.sampling.drawing import configurations
from mnist_exp.sweeps.tuner import Tuner
from mnist_exp.templates import references, render
from mnist_exp.workspaces.base import JobInterrupted
from mnist_exp.workspaces.local.jobs.environment import TrackedRun, job_environment
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.jobs.host import JobHost
from mnist_exp.workspaces.local.processes.job_orphans import end_orphans, of_sweep
from mnist_exp.workspaces.local.sweep.journal_file import JournalFile
from mnist_exp.workspaces.local.sweep.launching import TrialLauncher, cores, thread_variables
from mnist_exp.workspaces.local.sweep.reporting import SweepListener, sweep_result, track_end
from mnist_exp.workspaces.local.sweep.resume import (
    ResumePlan,
    as_submitted,
    description,
    kept_history,
    plan_resume,
    record_last_values,
    unread_points,
)
from mnist_exp.workspaces.local.sweep.trial_backend import TrialBackend
from mnist_exp.workspaces.local.tracking.database import STORE_NAME, store_uri


def run_sweep(job: SweepJob, host: JobHost) -> JobResult:
    """Run a sweep to its end, resume it, or return the result of one that has ended.

    Args:
        job: The sweep.
        host: The place where it runs. Its trials are jobs named `<sweep>_<index>`, with MLflow
            runs nested in the sweep's.

    Raises:
        RefusedError: Another command runs the sweep, or it was created with other rules.
        KeyboardInterrupt: The user stopped it; all trials have ended and are recorded.
    """
    folder = JobFolder(host.root, job.name)
    with folder.locked():
        _warn_of_crowding(job, host)
        journal = JournalFile(folder.path)
        try:
            return _SweepRunner(job, host, folder, journal).run()
        finally:
            journal.close()


class _SweepRunner:
    """One sweep, from its journal to its result."""

    def __init__(
        self, job: SweepJob, host: JobHost, folder: JobFolder, journal: JournalFile
    ) -> None:
        self._history = kept_history(
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
        """Run the sweep to its end."""
        if self._history:
            # After a kill, a process that outlived the command may still be ending its trials.
            end_orphans(of_sweep(self._folder.path))
        job = self._with_code_and_threads()
        with closing(TrialLauncher(self._folder.path, self._host.observer.message)) as launcher:
            self._prepare(launcher, job.trial)
            run = self._tracked_run()
            plan = self._plan_resume(self._history) if self._history else ResumePlan()
            if not self._history:
                self._journal.append(Created(description(self._job), at=time.time()))
            backend = TrialBackend(job, self._host, run, launcher, plan)
            if launcher.is_loading:
                self._host.observer.idle()
            # A garbage collection over all the libraries' objects takes 0.15 s, in which no metric
            # is read.
            gc.freeze()
            try:
                return self._tune(backend, run)
            finally:
                gc.unfreeze()
                backend.close()

    def _prepare(self, launcher: TrialLauncher, trial: CommandJob) -> None:
        """Have the trials' libraries imported in another process while MLflow is imported here."""
        store = self._host.root.parent / STORE_NAME
        has_finished = self._history is not None and self._history.finished
        # Trials with several workers are never forked.
        if trial.code is not None and trial.worker_count == 1 and not has_finished:
            command = render(trial.command, dict.fromkeys(references(trial.command), "x"))
            no_run = TrackedRun(store_uri(store), "", "")
            environment = job_environment(trial, no_run, self._folder.path)
            launcher.prepare(command, trial.code, environment)

    def _with_code_and_threads(self) -> SweepJob:
        """Return the job with the threads of a trial, and with the code that the sweep began with.

        Azure ML, too, takes one snapshot of a sweep's code when the sweep is submitted.
        """
        threads = thread_variables(self._job.limits.max_concurrent_trials)
        variables = threads | dict(self._job.trial.environment_variables)
        trial = replace(self._job.trial, environment_variables=variables)
        if trial.code is None or (self._history and self._history.finished):
            return replace(self._job, trial=trial)
        kept = self._folder.keep_code(trial.code)
        outputs = self._host.root.parent
        is_resumed = self._history is not None and trial.code.is_dir()
        if is_resumed and snapshot_hash(trial.code, outputs) != snapshot_hash(kept):
            self._host.observer.message(
                f"the sweep resumes with the code that it began with, in {kept}; {trial.code} has "
                "changed since"
            )
        return replace(self._job, trial=replace(trial, code=kept))

    def _tracked_run(self) -> TrackedRun:
        """Return the sweep's MLflow run: a new one, or that of an earlier command."""
        folder, tracking = self._folder, self._host.tracking
        if folder.exists:
            kept = folder.description()
            tracking.resume(kept["mlflow_run_id"])
            return TrackedRun(
                tracking.uri, kept["mlflow_run_id"], str(kept["mlflow_experiment_id"])
            )
        tags = {
            "azureml.job": self._job.name,
            "azureml.runType": "sweep",
            "runTemplate": "HyperDrive",
        }
        name = self._job.trial.experiment_name
        run = tracking.start(name, self._job.name, folder.path, tags)
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
            message("all trials have ended: nothing runs, the result is read from the journal")
            return ResumePlan()
        metric = self._job.objective.primary_metric
        folders = {
            trial.index: JobFolder(self._host.root, f"{self._job.name}_{trial.index}")
            for trial in history.trials
            if not trial.status.is_finished
        }
        unread = unread_points(history, folders, self._host.tracking.store)
        plan = plan_resume(history, folders, metric, unread)
        self._journal.append(Resumed(tuple(plan.kept), tuple(plan.again), at=time.time()))
        for index in plan.again:
            history.trials[index].forget_values()
        record_last_values(history, folders, unread, self._journal, metric)
        ended = sum(trial.status.is_finished for trial in history.trials)
        message(
            f"the sweep resumes: {ended} trials have ended, {len(plan.kept)} resume, "
            f"{len(plan.again)} restart"
        )
        for index in plan.stepless:
            message(
                f"trial {index} restarts although it has named outputs: it logs {metric} without "
                "steps, so values that it logs twice cannot be recognized; log with step= to resume"
            )
        return plan

    def _tune(self, backend: TrialBackend, run: TrackedRun) -> JobResult:
        if self._history:
            trials = self._history.trials
            backend.close_ended([one for one in trials if one.status is not JobStatus.RUNNING])
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
            track_end(result, run, self._host.tracking, self._job, is_over=is_over)
        if interrupted:
            raise JobInterrupted(result)
        self._host.observer.job_changed(result)
        return result

    def _tuner(self, backend: TrialBackend) -> Tuner:
        job, history = self._job, self._history
        learner = None
        if job.sampling.type is SamplingType.BAYESIAN:
            # Here and not above: this imports Optuna, which no other sampling needs.
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
            f"{concurrent} concurrent trials on {cores()} cores only slow each other; "
            f"sweep.limits.max_concurrent_trials={cores()} would be as fast"
        )
