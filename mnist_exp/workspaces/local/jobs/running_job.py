"""A job whose processes run on this machine: its attempts, and how it ends."""

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_exp.results import JobResult, MetricPoint
from mnist_exp.specs import CommandJob, Literal
from mnist_exp.status import JobStatus
from mnist_exp.templates import drawn_text, render
from mnist_exp.workspaces.base import Observer
from mnist_exp.workspaces.local.jobs.environment import TrackedRun, job_environment, sweep_variables
from mnist_exp.workspaces.local.jobs.eviction import Eviction
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.jobs.inputs import MountedInputs, make_outputs
from mnist_exp.workspaces.local.jobs.interrupts import Interrupts
from mnist_exp.workspaces.local.processes.workers import (
    EndedProcesses,
    Processes,
    Workers,
    worker_environments,
)

if TYPE_CHECKING:
    from mnist_exp.workspaces.local.tracking.store import Tracking


#: Starts a job's processes: command, folder, an environment for each, a log for each.
Launcher = Callable[[str, Path, Sequence[Mapping[str, str]], Sequence[Path]], Processes]


@dataclass(frozen=True)
class TrialOf:
    """What makes a job a trial: the sweep, its MLflow run, and the values drawn.

    Attributes:
        begins_again: Whether what an attempt before has logged is put aside.
    """

    sweep: str
    run_id: str
    parameters: Mapping[str, Literal]
    begins_again: bool = False


@dataclass(frozen=True)
class Site:
    """Where jobs run, and who hears of it.

    Attributes:
        root: `<outputs>/jobs`.
        opener: Returns the MLflow store, always the same one; the first call imports MLflow.
        observer: Told of progress.
        interrupts: Whether the user wants to stop.
        launcher: Starts the processes of a job.
    """

    root: Path
    opener: "Callable[[], Tracking]"
    observer: Observer
    interrupts: Interrupts
    launcher: Launcher = Workers

    @property
    def tracking(self) -> "Tracking":
        """The MLflow store."""
        return self.opener()


class RunningJob:
    """A job whose processes have been started.

    Args:
        job: What runs.
        site: Where it runs.
        folder: Its folder, locked by the caller.
        run: Its MLflow run.
        trial: The sweep that it is part of, if it is.
    """

    def __init__(
        self,
        job: CommandJob,
        site: Site,
        folder: JobFolder,
        run: TrackedRun,
        trial: TrialOf | None = None,
    ) -> None:
        self.job = job
        self.run = run
        self.folder = folder
        self.started = time.monotonic()
        literals = {name: value for name, value in job.inputs.items() if isinstance(value, Literal)}
        self.parameters = trial.parameters if trial else literals
        # Sweeps that differ in what is fixed can be told apart, too.
        self._logged = {**literals, **self.parameters}
        self.resources = ExitStack()
        self._eviction: Eviction | None = None
        self._site = site
        self._trial = trial
        self._inputs = MountedInputs(folder.inputs)
        self._workers: Processes | None = None

    def start(self) -> None:
        """Lay out the folder and start an attempt."""
        job, trial = self.job, self._trial
        # What an attempt left that was killed.
        self._inputs.close()
        self.folder.prepare(job.code)
        texts = self._inputs.mount(job.inputs, self._site.observer.message)
        values = {("inputs", name): text for name, text in texts.items()}
        outputs = make_outputs(job.outputs, self.folder.named_outputs)
        values |= {("outputs", name): text for name, text in outputs.items()}
        root = trial.sweep if trial else None
        environment = job_environment(job, self.run, self.folder.work, root)
        if trial:
            drawn = trial.parameters.items()
            values |= {("search_space", name): drawn_text(value) for name, value in drawn}
            environment |= sweep_variables(trial.parameters)
        command = render(job.command, values, shlex.quote if job.quoted else str)
        environments = worker_environments(environment, job.worker_count)
        work, logs = self.folder.work, self.folder.logs
        self._workers = self._site.launcher(command, work, environments, logs)
        self.started = time.monotonic()

    def ended_unseen(self, code: int) -> None:
        """Take over an attempt that ended by itself when nobody was there."""
        self._workers = EndedProcesses(code, self.folder.log)

    def failure(self, code: int) -> str:
        """Return why an attempt failed, in one line."""
        log = self._workers.failed_log if self._workers else self.folder.log
        return self.loss or f"exit code {code}{self.folder.console.reason(log, self.folder.path)}"

    def evict(self) -> None:
        """Take its node away as Azure does with one of low priority, and start it again.

        SIGTERM, grace, SIGKILL; then a fresh folder in which only the named outputs are as they
        were. https://learn.microsoft.com/azure/machine-learning/how-to-manage-optimize-cost
        """
        began, ran = time.monotonic(), time.monotonic() - self.started
        self._end_attempt()
        attempt, epochs = self.folder.console.attempt(), self.epochs()
        text = (
            f"evicted after {epochs} epochs and {ran:.1f} s, "
            f"ended in {time.monotonic() - began:.1f} s"
        )
        self._site.observer.message(f"{text}; starts again in a fresh folder")
        self._eviction = Eviction(text, epochs, attempt, self.histories())
        self.folder.console.note(text)
        self._inputs.close()
        self.start()

    def epochs(self) -> int:
        """Return how many epochs the attempt has done: as it prints them, or logs its metrics.

        The console comes first: metrics may be on their way to the store for a while.
        """
        printed = self.folder.console.attempt().epochs
        return printed or max(map(len, self.histories().values()), default=0)

    @property
    def handles(self) -> Sequence[int]:
        """What becomes readable when it has ended; may be empty."""
        return self._workers.handles if self._workers else ()

    @property
    def loss(self) -> str:
        """Why it ended, where that was not the script's own doing; else empty."""
        return self._workers.loss if self._workers else ""

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self._workers.poll() if self._workers else None

    def terminate(self) -> None:
        """Ask it to end; returns at once."""
        if self._workers:
            self._workers.terminate()

    def wait(self, timeout_s: float) -> None:
        """Return when it has ended or the time is over."""
        if self._workers:
            self._workers.wait(timeout_s)

    def histories(self) -> dict[str, list[MetricPoint]]:
        """Return every log event of every metric so far."""
        return self._site.tracking.histories(self.run.run_id)

    def running(self, metrics: Mapping[str, Sequence[MetricPoint]]) -> JobResult:
        """Return the job as it stands, with what the caller knows of its metrics."""
        return JobResult(
            name=self.job.name,
            status=JobStatus.RUNNING,
            parameters=self.parameters,
            metrics=metrics,
            folder=str(self.folder.path),
            log=str(self.folder.log),
        )

    def close(
        self,
        canceled: str | None = None,
        failed: str | None = None,
        metrics: Mapping[str, Sequence[MetricPoint]] | None = None,
    ) -> JobResult:
        """End the processes if they run, set the run's status, and return how the job ended.

        Args:
            canceled: Why it was canceled, if it was.
            failed: Why it failed, if not by its exit code.
            metrics: Every log event, where the caller has them; else the store is asked.
        """
        with self.resources:
            result = self._close(canceled, failed)
            return replace(result, metrics=self.histories() if metrics is None else metrics)

    def _close(self, canceled: str | None, reason: str | None) -> JobResult:
        code = self.poll()
        self._end_attempt()
        status, why = JobStatus.COMPLETED, ""
        if canceled is not None:
            status, why = JobStatus.CANCELED, canceled
        elif code != 0:
            status = JobStatus.FAILED
            why = reason or self.loss or f"{self._who()} ended with {self.failure(code or 0)}"
        warnings = self._all_warnings()
        # Tidy even where the store then fails.
        self._inputs.close()
        self.folder.clean()
        tracking = self._site.tracking
        tracking.log_missing_parameters(self.run.run_id, self._logged)
        tracking.end(self.run.run_id, status)
        # Last: whoever is killed before has left a job that is to be closed again.
        self.describe(status, why)
        self.folder.forget_exit_code()
        failed = status is JobStatus.FAILED
        log = self._workers.failed_log if self._workers and failed else self.folder.log
        return JobResult(
            name=self.job.name,
            status=status,
            parameters=self.parameters,
            why=why,
            folder=str(self.folder.path),
            log=str(log),
            log_tail=self.folder.console.tail(log) if failed else (),
            warnings=warnings,
        )

    def describe(self, status: JobStatus, why: str = "") -> None:
        """Write `job.json`: what a later command needs to know of this job."""
        self.folder.describe(
            {
                "name": self.job.name,
                "status": status.value,
                "why": why,
                "experiment_name": self.job.experiment_name,
                "command": self.job.command,
                "parameters": dict(self.parameters),
                "mlflow_run_id": self.run.run_id,
                "mlflow_experiment_id": self.run.experiment_id,
            }
        )

    def _end_attempt(self) -> None:
        if self._workers:
            self._workers.close()

    def _who(self) -> str:
        logs = self.folder.logs
        if self._workers is None or len(logs) == 1:
            return "the script"
        return f"the script of worker {logs.index(self._workers.failed_log)}"

    def _all_warnings(self) -> list[str]:
        drill = self.job.compute.evict_after_epochs
        # The trials of a sweep are never evicted; the sweep has said so.
        found = []
        if self._eviction:
            found = [self._eviction.cost(self.folder.console.attempt(), self.histories())]
        elif drill is not None and self._trial is None:
            found = [f"not evicted: it ended before compute.evict_after_epochs, {drill}, had come"]
        # A log is read for the job itself, not for each of a hundred trials.
        if self._trial is None and (last := self.folder.console.last_warning()):
            found.append(f"the script's last warning: {last}")
        return found + [
            f"the script wrote to its input {name}; Azure ML mounts it read-only, "
            "so the same script fails there"
            for name in self._inputs.written()
        ]
