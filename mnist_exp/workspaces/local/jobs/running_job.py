"""A running local job: start its attempts, evict the job, and record the job's result.

An attempt is one execution of the job's command. A job has several attempts if the job is evicted,
resumes or restarts.
"""

import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property

from mnist_exp.config import ArgumentStyle
from mnist_exp.metrics import MetricPoint
from mnist_exp.results import JobResult, counted
from mnist_exp.specs import MODEL_PATH, CommandJob, Literal
from mnist_exp.status import JobStatus
from mnist_exp.templates import drawn_text, has_pipe, hydra_text, render
from mnist_exp.workspaces.local.environments.throwaway import create_throwaway
from mnist_exp.workspaces.local.jobs.environment import (
    TrackedRun,
    job_environment,
    path_variables,
    sweep_variables,
)
from mnist_exp.workspaces.local.jobs.eviction import Eviction
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.jobs.host import JobHost, TrialContext
from mnist_exp.workspaces.local.jobs.inputs import MountedInputs, create_outputs
from mnist_exp.workspaces.local.jobs.remedies import remedy
from mnist_exp.workspaces.local.processes.forking.analysis import slow_library
from mnist_exp.workspaces.local.processes.workers import (
    EndedProcesses,
    Processes,
    worker_environments,
)
from mnist_exp.workspaces.local.tracking.sources import choices


class RunningJob:
    """A job from the start of its processes until its result is recorded.

    Args:
        job: The job.
        host: The context of local jobs.
        folder: The job's folder. The caller has locked the folder.
        run: The job's MLflow run.
        trial: The sweep that the job belongs to, if the job is a trial.
    """

    def __init__(
        self,
        job: CommandJob,
        host: JobHost,
        folder: JobFolder,
        run: TrackedRun,
        trial: TrialContext | None = None,
    ) -> None:
        self.job = job
        self.run = run
        self.folder = folder
        self.started = time.monotonic()
        #: Resources that are released when the job is closed, such as the lock of the folder.
        self.resources = ExitStack()
        literals = {name: value for name, value in job.inputs.items() if isinstance(value, Literal)}
        self.parameters = trial.parameters if trial else literals
        # For a trial, also log the inputs that the sweep does not vary. Users can then compare
        # trials of different sweeps.
        self._logged = {**literals, **self.parameters}
        self._eviction: Eviction | None = None
        self._host = host
        self._trial = trial
        self._inputs = MountedInputs(folder.inputs, host.inputs)
        self._workers: Processes | None = None

    def start(self) -> None:
        """Prepare the folder and start an attempt."""
        job, trial = self.job, self._trial
        # Delete copies of inputs that a killed attempt could not delete.
        self._inputs.close()
        self.folder.prepare(job.code)
        texts = self._inputs.mount(job.inputs, self._host.observer.message)
        values = {("inputs", name): text for name, text in texts.items()}
        outputs = create_outputs(job.outputs, self.folder.named_outputs)
        values |= {("outputs", name): text for name, text in outputs.items()}
        root = trial.sweep if trial else None
        work, logs = self.folder.work, self.folder.logs
        drawn = trial.parameters if trial else {}
        values |= {("search_space", name): drawn_text(value) for name, value in drawn.items()}
        own = {**sweep_variables(drawn), **path_variables(job, texts, outputs)}
        run = replace(self.run, tracking_uri=self._host.served or self.run.tracking_uri)
        environments: list[Mapping[str, str]] = []
        for folder in self.folder.environments:
            software = create_throwaway(self._host.interpreter, folder)
            variables = job_environment(job, run, work, software, root)
            environments.append(variables | own)
        command = render(job.command, values, self._quote)
        environments = worker_environments(environments)
        self._workers = self._host.launcher(command, work, environments, logs)
        self.started = time.monotonic()

    def _quote(self, text: str) -> str:
        """Return a text for the job's command, quoted if the job's field `quoted` is True."""
        if not self.job.quoted:
            return text
        is_for_hydra = self.job.argument_style is ArgumentStyle.key_value
        return shlex.quote(hydra_text(text) if is_for_hydra else text)

    def adopt_ended(self, code: int) -> None:
        """Use the exit code of an attempt that ended while no `mnist-exp` command ran."""
        self._workers = EndedProcesses(code, self.folder.log)

    def failure(self, code: int) -> str:
        """Return a line with the reason why an attempt failed."""
        log = self._workers.failed_log if self._workers else self.folder.log
        recorded = self.folder.recorded_failure(log, code)
        text = self.folder.console.failure(code, log, self.folder.path, recorded)
        return self.lost_reason or text + remedy(text, self.job)

    def evict(self) -> None:
        """Evict the attempt as Azure ML evicts a low-priority node, and start a second attempt.

        The processes get SIGTERM, then a grace period, then SIGKILL. The second attempt gets a new
        `wd/` and the named outputs of the first attempt.
        https://learn.microsoft.com/azure/machine-learning/how-to-manage-optimize-cost
        """
        began, ran = time.monotonic(), time.monotonic() - self.started
        self._end_attempt()
        attempt, epochs = self.folder.console.attempt(), self.epochs()
        text = (
            f"evicted after {counted(epochs, 'epoch')} and {ran:.1f} s; "
            f"the processes ended within {time.monotonic() - began:.1f} s"
        )
        self._host.observer.message(f"{text}; the second attempt starts in a new folder")
        self._eviction = Eviction(text, epochs, attempt, self.histories())
        self.folder.console.note(text)
        self.start()

    def epochs(self) -> int:
        """Return the number of epochs that the attempt has completed.

        If the script has printed no epochs, return the number of points of the metric with the most
        points. The console log is read first, because a metric may reach the MLflow store later
        than the log.
        """
        printed = self.folder.console.attempt().epochs
        return printed or max(map(len, self.histories().values()), default=0)

    @property
    def handles(self) -> Sequence[int]:
        """The file descriptors that become readable when the attempt ends; may be empty."""
        return self._workers.handles if self._workers else ()

    @property
    def lost_reason(self) -> str:
        """Why the attempt ended, if its script was not the cause; otherwise empty.

        For example, the user may have killed the supervisor of the job.
        """
        return self._workers.lost_reason if self._workers else ""

    def poll(self) -> int | None:
        """Return the exit code; None while the attempt runs."""
        return self._workers.poll() if self._workers else None

    def terminate(self) -> None:
        """Ask the attempt to end, and return immediately."""
        if self._workers:
            self._workers.terminate()

    def wait(self, timeout_s: float) -> None:
        """Wait until the attempt has ended, but at most for the given time."""
        if self._workers:
            self._workers.wait(timeout_s)

    def histories(self) -> dict[str, list[MetricPoint]]:
        """Return every point of every metric of the job's MLflow run."""
        return self._host.tracking.histories(self.run.run_id)

    def running(self, metrics: Mapping[str, Sequence[MetricPoint]]) -> JobResult:
        """Return the present result of the running job, with the metrics that the caller passes."""
        return JobResult(
            name=self.job.name,
            status=JobStatus.RUNNING,
            parameters=self.parameters,
            metrics=metrics,
            folder=str(self.folder.path),
            log=str(self.folder.log),
            library=self._library,
        )

    @cached_property
    def _library(self) -> str:
        # The fork server has already imported the libraries of its forks. The analysis of a script
        # takes a few tenths of a second, and would delay the start of the next job.
        is_forked = self._host.fork_server is not None
        return "" if is_forked else slow_library(self.job.code, self.job.command)

    def close(self, canceled: str | None = None, failed: str | None = None) -> JobResult:
        """End the processes that still run, record the final status, and return the result.

        The result has no metrics. The caller can read the metrics with `histories`.

        Args:
            canceled: Why the job was canceled; None if the job was not canceled.
            failed: Why the job could not be started; None if the job was started.
        """
        with self.resources:
            return self._close(canceled, failed)

    def _close(self, canceled: str | None, reason: str | None) -> JobResult:
        code = self.poll()
        self._end_attempt()
        status, why = JobStatus.COMPLETED, ""
        if canceled is not None:
            status, why = JobStatus.CANCELED, canceled
        elif code != 0:
            status = JobStatus.FAILED
            why = (
                reason
                or self.lost_reason
                or f"{self._script()} ended with {self.failure(code or 0)}"
            )
        warnings = self._warnings()
        if status is JobStatus.COMPLETED:
            warnings += self._hidden_failures()
        # Clean the folder first. Later calls use the MLflow store and may raise an error.
        self._inputs.close()
        self.folder.clean()
        tracking = self._host.tracking
        tracking.log_missing_parameters(self.run.run_id, self._logged)
        script = tracking.end(self.run.run_id, status, why)
        # Write the final status to job.json as late as possible. If the command is killed before
        # this line, the job does not count as ended, and a resumed job or sweep closes the job.
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
            metrics_of_script_runs=script.metrics,
            logged_models=()
            if self.folder.saved(MODEL_PATH).exists()
            else list(choices(script.models)),
            tracking_page=self.run.page,
        )

    def describe(self, status: JobStatus, why: str = "") -> None:
        """Write `job.json`, which later commands read."""
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
                "fork_server": self._host.fork_server and str(self._host.fork_server),
            }
        )

    def _end_attempt(self) -> None:
        if self._workers:
            self._workers.close()

    def _hidden_failures(self) -> list[str]:
        """Return a warning for each failed Python program in a pipe. The shell ignores failures."""
        if not has_pipe(self.job.command):
            return []
        recorded = [self.folder.recorded_failure(log) for log in self.folder.logs]
        return [
            f"the job is Completed, but a program in a pipe failed: {text}; begin the command "
            "with 'set -o pipefail;' to let the job fail"
            for text in recorded
            if text
        ]

    def _script(self) -> str:
        logs = self.folder.logs
        if self._workers is None or len(logs) == 1:
            return "the script"
        return f"the script of worker {logs.index(self._workers.failed_log)}"

    def _warnings(self) -> list[str]:
        found = []
        # Skip trials: trials are never evicted, and reading the logs of a hundred trials would
        # delay the sweep.
        if self._trial is None:
            eviction = self.job.compute.evict_after_epochs
            if self._eviction:
                attempt = self.folder.console.attempt()
                found.append(self._eviction.cost(attempt, self.histories()))
            elif eviction is not None:
                found.append(
                    "compute.evict_after_epochs: the job was not evicted, because the job ended "
                    f"before epoch {eviction}"
                )
            if last := self.folder.console.last_warning():
                found.append(f"the script's last warning: {last}")
        return found + self._inputs.warnings()
