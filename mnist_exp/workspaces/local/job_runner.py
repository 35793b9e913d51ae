"""Run the jobs and sweeps that stages submit to the local workspace."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_exp.errors import JobError, MnistExpError, RefusedError
from mnist_exp.interrupts import Interrupts, with_noted_interrupts
from mnist_exp.results import JobResult
from mnist_exp.specs import CommandJob, PathInput, SweepJob
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import JobsListener, Observer, Outcome
from mnist_exp.workspaces.local.environments.cache import EnvironmentCache
from mnist_exp.workspaces.local.environments.interpreter import Interpreter
from mnist_exp.workspaces.local.job_models import JobModels
from mnist_exp.workspaces.local.jobs.concurrent import run_jobs
from mnist_exp.workspaces.local.jobs.deletion import delete_folder
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.jobs.groups import JobGroups
from mnist_exp.workspaces.local.jobs.host import JobHost
from mnist_exp.workspaces.local.jobs.inputs import local_path
from mnist_exp.workspaces.local.jobs.launching import cores, with_limited_threads
from mnist_exp.workspaces.local.jobs.start import require_same_command
from mnist_exp.workspaces.local.jobs.watching import run_job
from mnist_exp.workspaces.local.sweep.runner import run_sweep, started_launcher
from mnist_exp.workspaces.local.tracking.served_store import served_store

if TYPE_CHECKING:
    from mnist_exp.workspaces.local.tracking.store import Tracking


class JobRunner:
    """The submitted jobs of a local workspace, and the fork servers for these jobs.

    Args:
        outputs: The folder in which all files are saved.
        opener: Function that returns the MLflow store. The first call imports MLflow.
        models: The registered models that jobs read and create.
        environments: The Python environments of jobs.
    """

    def __init__(
        self,
        outputs: Path,
        opener: "Callable[[], Tracking]",
        models: JobModels,
        environments: EnvironmentCache,
    ) -> None:
        self._outputs = outputs
        self._jobs = outputs / "jobs"
        self._opener = opener
        self._models = models
        self._environments = environments
        self._submitted: dict[str, CommandJob | SweepJob] = {}
        self._groups: JobGroups | None = None
        #: Name of a prefetched sweep -> its context, with a launcher whose fork server has started.
        self._prefetched: dict[str, JobHost] = {}
        self._opened = ExitStack()

    def close(self) -> None:
        """End the processes that `prefetch` has started."""
        self._opened.close()
        if self._groups:
            self._groups.close()

    def check(self, spec: CommandJob | SweepJob, observer: Observer) -> None:
        """Check that the job can run. Create a missing environment, and download missing digits."""
        JobFolder(self._jobs, spec.name).check_idle()
        if isinstance(spec, CommandJob):
            require_same_command(JobFolder(self._jobs, spec.name), spec)
        trial = self._models.with_files(spec.trial if isinstance(spec, SweepJob) else spec)
        for name, value in trial.inputs.items():
            if isinstance(value, PathInput):
                local_path(name, value.path, observer.message)
        with self._environments.using(trial.environment, "env", observer.message):
            # Entering the context has created a missing environment.
            pass

    def submit(self, job: CommandJob | SweepJob) -> str:
        """Accept a job, and return its name. The job starts only when `watch` is called."""
        if job.name in self._submitted:
            raise RefusedError(
                f"run: the job {job.name} has already been submitted; "
                "a job name can be used only once"
            )
        if isinstance(job, SweepJob):
            job = replace(job, trial=self._models.with_files(job.trial))
        else:
            job = self._models.with_files(job)
        self._submitted[job.name] = job
        return job.name

    def watch(self, name: str, observer: Observer) -> JobResult:
        """Run a submitted job until it ends; cancel the job on KeyboardInterrupt."""
        job = self._submitted.pop(name, None)
        if job is None:
            raise JobError(f"run: no job named {name} was submitted; submit the job first")
        trial = job.trial if isinstance(job, SweepJob) else job

        def run(interrupts: Interrupts) -> JobResult:
            if isinstance(job, SweepJob) and (host := self._prefetched.pop(name, None)):
                return run_sweep(job, replace(host, observer=observer, interrupts=interrupts))
            with self._host(trial, observer, interrupts) as host:
                return run_sweep(job, host) if isinstance(job, SweepJob) else run_job(job, host)

        result = with_noted_interrupts(run, JobFolder(self._jobs, name).cancel_request)
        if result.status is JobStatus.COMPLETED:
            if not isinstance(job, SweepJob):
                self._models.register_outputs(job, result, observer)
            elif result.best_trial:
                self._models.register_outputs(job.trial, result.best_trial, observer)
        return result

    def prefetch(
        self, job: CommandJob | SweepJob, max_concurrent: int | None, observer: Observer
    ) -> None:
        """Start the process from which the trials of a sweep, or jobs like this job, are forked."""
        if isinstance(job, SweepJob):
            self._opened.callback(self._delete_unstarted, job.name)
            host = self._opened.enter_context(self._host(job.trial, observer, Interrupts()))
            launcher = self._opened.enter_context(closing(started_launcher(job, host)))
            self._prefetched[job.name] = replace(host, launcher=launcher)
            return
        self._groups = self._groups or JobGroups(partial(self._host, interrupts=Interrupts()))
        limited = with_limited_threads(job, max_concurrent or cores())
        self._groups.start_fork_server(limited, observer)

    def _delete_unstarted(self, sweep: str) -> None:
        """Delete the folder of a prefetched sweep that was never watched."""
        if self._prefetched.pop(sweep, None):
            delete_folder(JobFolder(self._jobs, sweep).path)

    def watch_jobs(
        self, jobs: Mapping[str, Observer], max_concurrent: int | None, listener: JobsListener
    ) -> None:
        """Run submitted jobs until they end. Jobs that import the same libraries are forked."""
        submitted = [self._submitted.pop(name) for name in jobs]
        most = max_concurrent or cores()
        commands = {
            job.name: with_limited_threads(job, min(most, len(submitted)))
            for job in submitted
            if isinstance(job, CommandJob)
        }
        groups = self._groups or JobGroups(partial(self._host, interrupts=Interrupts()))
        groups.expect(commands.values())

        def prepared(job: CommandJob) -> tuple[CommandJob, JobHost]:
            listener.job_starts(job.name)
            return job, groups.host(job, jobs[job.name])

        def ended(name: str, outcome: Outcome) -> None:
            listener.job_ended(name, self._after_end(commands[name], outcome, jobs[name]))

        def run(interrupts: Interrupts) -> None:
            calls = {name: partial(prepared, job) for name, job in commands.items()}
            # The listener draws figures, which takes time. In another thread, it delays no job.
            with ThreadPoolExecutor(1) as thread:
                ends = [
                    thread.submit(ended, name, outcome)
                    for name, outcome in run_jobs(calls, most, interrupts)
                ]
            for end in ends:
                end.result()

        with closing(groups):
            with_noted_interrupts(run)
        self._groups = None

    @contextmanager
    def _host(
        self, job: CommandJob, observer: Observer, interrupts: Interrupts
    ) -> Iterator[JobHost]:
        """Return the context of a job, or of the trials of a sweep."""
        with (
            self._environments.using(job.environment, "env", observer.message) as interpreter,
            self._served_store(interpreter, job.name) as served,
        ):
            yield JobHost(self._jobs, self._opener, observer, interrupts, interpreter, served)

    def _after_end(self, job: CommandJob, outcome: Outcome, observer: Observer) -> Outcome:
        """Register the named model outputs of a completed job. Return the outcome of the job."""
        if isinstance(outcome, JobResult) and outcome.status is JobStatus.COMPLETED:
            try:
                self._models.register_outputs(job, outcome, observer)
            except MnistExpError as error:
                return error
        return outcome

    def _served_store(
        self, interpreter: Interpreter, name: str
    ) -> AbstractContextManager[str | None]:
        """Run a tracking server if the job's environment may have another version of MLflow."""
        if interpreter.is_this_python:
            return nullcontext()
        log = self._jobs / name / "user_logs" / "mlflow_server.txt"
        return served_store(self._outputs, log)
