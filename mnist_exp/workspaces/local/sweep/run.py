"""A sweep on this machine: the tuner's trials as jobs, the sweep as their parent run in MLflow."""

import gc
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from mnist_exp.results import JobResult
from mnist_exp.snapshot import snapshot_hash
from mnist_exp.specs import CommandJob, SweepJob
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.history import History
from mnist_exp.sweeps.journal import Created, Logged, Resumed
from mnist_exp.sweeps.sampling.algorithms import SamplingType, with_seed
from mnist_exp.sweeps.sampling.drawing import configurations
from mnist_exp.sweeps.tuner import Tuner
from mnist_exp.templates import references, render
from mnist_exp.workspaces.base import JobInterrupted
from mnist_exp.workspaces.local.jobs.environment import TrackedRun, job_environment
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.jobs.running_job import Site
from mnist_exp.workspaces.local.processes.job_orphans import end_orphans, of_sweep
from mnist_exp.workspaces.local.sweep.journal_file import JournalFile
from mnist_exp.workspaces.local.sweep.launching import TrialLauncher, cores, thread_variables
from mnist_exp.workspaces.local.sweep.results import SweepListener, sweep_result, track_end
from mnist_exp.workspaces.local.sweep.resume import as_begun, description, kept_history
from mnist_exp.workspaces.local.sweep.trial_backend import Restart, TrialBackend
from mnist_exp.workspaces.local.tracking.location import STORE_NAME, store_uri
from mnist_exp.workspaces.local.tracking.metric_rows import MetricRow, MetricRows


def run_sweep(job: SweepJob, site: Site) -> JobResult:
    """Run a sweep to its end, or go on with one of that name; of one that has ended tell how.

    Args:
        job: The sweep.
        site: Where it runs; trials are jobs named `<sweep>_<index>`, with runs nested in its own.

    Raises:
        ConflictError: Another command runs it, or it was made with other rules.
        KeyboardInterrupt: The user stopped it; all trials have ended and are recorded.
    """
    folder = JobFolder(site.root, job.name)
    with folder.locked():
        _warn_of_crowding(job, site)
        journal = JournalFile(folder.path)
        try:
            return _Sweep(job, site, folder, journal).run()
        finally:
            journal.close()


class _Sweep:
    """One sweep, from its journal to its result."""

    def __init__(self, job: SweepJob, site: Site, folder: JobFolder, journal: JournalFile) -> None:
        self._history = kept_history(
            job, journal, has_trials=JobFolder(site.root, f"{job.name}_0").exists
        )
        if self._history:
            job = as_begun(job, self._history)
        else:
            job = replace(job, sampling=with_seed(job.sampling))
        self._job = job
        self._site = site
        self._folder = folder
        self._journal = journal

    def run(self) -> JobResult:
        """See it to its end."""
        if self._history:
            # A command that was killed leaves its trials to a process that is ending them.
            end_orphans(of_sweep(self._folder.path))
        job = self._as_it_runs()
        with closing(TrialLauncher(self._folder.path, self._site.observer.message)) as launcher:
            self._prepare(launcher, job.trial)
            run = self._tracked()
            restart = self._restart()
            if not self._history:
                self._journal.append(Created(description(self._job), at=time.time()))
            backend = TrialBackend(job, self._site, run, launcher, restart)
            if launcher.is_loading:
                self._site.observer.idle()
            # To look for garbage among all the libraries takes 0.15 s, in which no value is heard.
            gc.freeze()
            try:
                return self._tune(backend, run)
            finally:
                gc.unfreeze()
                backend.close()

    def _prepare(self, launcher: TrialLauncher, trial: CommandJob) -> None:
        """Have the trials' libraries imported while MLflow is imported here."""
        store = self._site.root.parent / STORE_NAME
        is_read_only = self._history is not None and self._history.finished
        # Several workers are started as a plain job is.
        if trial.code is not None and trial.worker_count == 1 and not is_read_only:
            command = render(trial.command, dict.fromkeys(references(trial.command), "x"))
            nobody = TrackedRun(store_uri(store), "", "")
            environment = job_environment(trial, nobody, self._folder.path)
            launcher.prepare(command, trial.code, environment)

    def _as_it_runs(self) -> SweepJob:
        """Return the job with the threads that trials may have, and the code that it began with.

        Azure ML takes one snapshot of a sweep's code as well, when it is submitted.
        """
        threads = thread_variables(self._job.limits.max_concurrent_trials)
        variables = threads | dict(self._job.trial.environment_variables)
        trial = replace(self._job.trial, environment_variables=variables)
        if trial.code is None or (self._history and self._history.finished):
            return replace(self._job, trial=trial)
        kept = self._folder.keep_code(trial.code)
        outputs = self._site.root.parent
        # Whoever has just begun has just copied it.
        is_there = bool(self._history) and trial.code.is_dir()
        if is_there and snapshot_hash(trial.code, outputs) != snapshot_hash(kept):
            self._site.observer.message(
                f"the sweep goes on with the code that it began with, in {kept}; {trial.code} has "
                "been changed since"
            )
        return replace(self._job, trial=replace(trial, code=kept))

    def _tracked(self) -> TrackedRun:
        """Return the sweep's MLflow run: that of the command before, if it had made one."""
        folder, tracking = self._folder, self._site.tracking
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

    def _restart(self) -> Restart | None:
        if not self._history:
            return None
        if self._history.finished:
            self._site.observer.message("all trials had ended: nothing runs, its result is read")
            metric = self._job.objective.primary_metric
            return Restart(self._history, {}, metric)
        unfinished = [trial.index for trial in self._history.unfinished]
        root, name = self._site.root, self._job.name
        folders = {index: JobFolder(root, f"{name}_{index}") for index in unfinished}
        metric = self._job.objective.primary_metric
        with closing(MetricRows(self._site.tracking.store)) as rows:
            unheard = rows.after(self._history.row)
        restart = Restart(self._history, folders, metric, unheard)
        self._journal.append(Resumed(restart.kept, restart.again, at=time.time()))
        for trial in restart.again:
            self._history.begin_again(trial)
        self._hear_last_words(self._history, unheard)
        ended = sum(trial.status.is_finished for trial in self._history.trials)
        self._site.observer.message(
            f"goes on: {ended} trials had ended, {len(restart.kept)} go on where they stood, "
            f"{len(restart.again)} begin again"
        )
        for trial in restart.stepless:
            self._site.observer.message(
                f"trial {trial} begins again though it left outputs: it logs {metric} without "
                "steps, so what it logs twice could not be told; log with step= to go on instead"
            )
        return restart

    def _hear_last_words(self, history: History, unheard: Sequence[MetricRow]) -> None:
        """Take in what trials logged that were being ended when the command was killed."""
        for trial in history.trials:
            folder = JobFolder(self._site.root, f"{self._job.name}_{trial.index}")
            if trial.status is not JobStatus.CANCEL_REQUESTED or not folder.exists:
                continue
            trial.exit_code = folder.exit_code
            for row in unheard:
                if row.run_id == folder.run_id:
                    # Without its row: those of other trials before it are still to be read.
                    entry = Logged(trial.index, row.name, row.value, row.step, at=time.time())
                    self._journal.append(entry)
                    history.take(entry, self._job.objective.primary_metric)

    def _tune(self, backend: TrialBackend, run: TrackedRun) -> JobResult:
        job, history = self._job, self._history
        if history:
            backend.settle([one for one in history.trials if one.status is not JobStatus.RUNNING])
        listener = SweepListener(job, backend, self._site.observer)
        trials = history.trials if history else ()
        learner = None
        if job.sampling.type is SamplingType.BAYESIAN:
            # Imports Optuna, which no other sampling needs.
            from mnist_exp.sweeps.sampling.bayesian import BayesianConfigurations  # noqa: PLC0415

            learner = BayesianConfigurations(
                job.search_space, job.sampling, job.objective.goal, trials
            )
        tuner = Tuner(
            learner or configurations(job.search_space, job.sampling),
            job.limits,
            job.objective,
            job.early_termination,
            backend,
            listener,
            self._journal,
            history,
            job.fail_fast,
            learner,
            job.fail_on_failed_trials,
        )
        interrupted, is_over = False, False
        try:
            tuner.run()
            is_over = True
        except KeyboardInterrupt:
            interrupted = True
        finally:
            backend.close()
            result = sweep_result(job, self._folder, tuner.result(), backend)
            track_end(result, run, self._site.tracking, job, is_over=is_over)
        if interrupted:
            raise JobInterrupted(result)
        self._site.observer.job_changed(result)
        return result


def _warn_of_crowding(job: SweepJob, site: Site) -> None:
    concurrent = job.limits.max_concurrent_trials
    if concurrent > cores() and job.limits.max_total_trials > cores():
        site.observer.message(
            f"{concurrent} trials at once on {cores()} cores only slow each other; "
            f"sweep.limits.max_concurrent_trials={cores()} would be as fast"
        )
