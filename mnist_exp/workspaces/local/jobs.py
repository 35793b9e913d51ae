"""One job on this machine, from its folder to its exit code.

A job's folder, `<outputs>/jobs/<name>`, keeps what Azure ML would keep: `outputs/`, `logs/`,
`user_logs/std_log.txt`, `named_outputs/<name>/`, and `job.json` about it. The command runs in
`wd/`, a copy of the code in which `outputs` and `logs` are links to the kept folders; whatever
else it writes there is gone when it ends.
"""

import contextlib
import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mnist_exp.errors import JobError
from mnist_exp.records import write_json
from mnist_exp.specs import CommandJob, Literal
from mnist_exp.templates import render
from mnist_exp.workspaces.base import JobResult, JobStatus, MetricPoint, Observer
from mnist_exp.workspaces.local.environment import TrackedRun, job_environment, sweep_variables
from mnist_exp.workspaces.local.inputs import MountedInputs, make_outputs
from mnist_exp.workspaces.local.interrupts import Interrupts
from mnist_exp.workspaces.local.processes import JobProcess
from mnist_exp.workspaces.local.snapshot import copy_snapshot
from mnist_exp.workspaces.local.tracking import Tracking

__all__ = ["JobFolder", "RunningJob", "Site", "TrialOf", "start_job"]

KEPT = ("outputs", "logs")
TAIL_LINES = 20


class JobFolder:
    """The folder of one job.

    Args:
        root: `<outputs>/jobs`.
        name: The job's name.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.path = root / name
        self.work = self.path / "wd"
        self.inputs = self.path / "inputs"
        self.log = self.path / "user_logs" / "std_log.txt"

    @property
    def run_id(self) -> str:
        """The MLflow run of the job.

        Raises:
            JobError: There is no such job.
        """
        try:
            description = json.loads((self.path / "job.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise JobError(f"run: no job {self.path.name} in {self.path.parent}") from error
        return str(description["mlflow_run_id"])

    def prepare(self, code: Path | None) -> None:
        """Make the folder and the working copy of the code."""
        self.log.parent.mkdir(parents=True)
        self.work.mkdir()
        if code is not None:
            copy_snapshot(code, self.work)
        for name in KEPT:
            kept, link = self.path / name, self.work / name
            # A snapshot may bring a folder of that name along.
            if link.is_dir():
                link.rename(kept)
            kept.mkdir(exist_ok=True)
            link.symlink_to(kept, target_is_directory=True)

    def tail(self, lines: int = TAIL_LINES) -> list[str]:
        """Return the last lines of the console log."""
        try:
            return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
        except OSError:
            return []

    def clean(self) -> None:
        """Remove what a job does not keep."""
        shutil.rmtree(self.work, ignore_errors=True)


class RunningJob:
    """A job whose process has been started."""

    def __init__(
        self,
        job: CommandJob,
        parameters: Mapping[str, Literal],
        folder: JobFolder,
        run: TrackedRun,
        tracking: Tracking,
    ) -> None:
        self.job = job
        self.run = run
        self.folder = folder
        self.started = time.monotonic()
        self.parameters = parameters
        self.warnings: list[str] = []
        self._tracking = tracking
        self._inputs = MountedInputs(folder.inputs)
        self._process: JobProcess | None = None

    def start(self, root: str | None, message: Callable[[str], None]) -> None:
        """Lay out the folder and start the process."""
        self.folder.prepare(self.job.code)
        texts = self._inputs.mount(self.job.inputs, message)
        outputs = make_outputs(self.job.outputs, self.folder.path / "named_outputs")
        values = {("inputs", name): text for name, text in texts.items()}
        values |= {("outputs", name): text for name, text in outputs.items()}
        if root is not None:
            values |= {
                ("search_space", name): str(value) for name, value in self.parameters.items()
            }
        command = render(self.job.command, values, shlex.quote if self.job.quoted else str)
        environment = job_environment(self.job, self.run, self.folder.work, root)
        if root is not None:
            environment |= sweep_variables(self.parameters)
        self._process = JobProcess(command, self.folder.work, environment, self.folder.log)
        self.started = time.monotonic()

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self._process.poll() if self._process else None

    def terminate(self) -> None:
        """Ask it to end; returns at once."""
        if self._process:
            self._process.terminate()

    def wait(self, timeout_s: float) -> None:
        """Return when it has ended or the time is over."""
        if self._process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)

    def histories(self) -> dict[str, list[MetricPoint]]:
        """Return every log event of every metric so far."""
        return self._tracking.histories(self.run.run_id)

    def history(self, metric: str) -> list[MetricPoint]:
        """Return every log event of one metric so far."""
        return self._tracking.history(self.run.run_id, metric)

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

    def close(self, canceled: str | None = None) -> JobResult:
        """End the process if it runs, set the run's status, and return how the job ended.

        Args:
            canceled: Why it was canceled, if it was.
        """
        code = self.poll()
        if self._process:
            self._process.close()
        status = JobStatus.COMPLETED if code == 0 else JobStatus.FAILED
        if canceled is not None:
            status = JobStatus.CANCELED
        self._tracking.log_missing_parameters(self.run.run_id, self.parameters)
        self._tracking.end(self.run.run_id, status)
        for name in self._inputs.written():
            self.warnings.append(
                f"the script wrote to its input {name}; Azure ML mounts it read-only, "
                "so the same script fails there"
            )
        self._inputs.close()
        self.folder.clean()
        why = canceled or ("" if code == 0 else f"the script ended with exit code {code}")
        result = JobResult(
            name=self.job.name,
            status=status,
            parameters=self.parameters,
            metrics=self._tracking.histories(self.run.run_id),
            why=why,
            folder=str(self.folder.path),
            log=str(self.folder.log),
            log_tail=self.folder.tail() if status is JobStatus.FAILED else (),
            warnings=tuple(self.warnings),
        )
        self.describe(status, why)
        return result

    def describe(self, status: JobStatus, why: str = "") -> None:
        """Write `job.json`: what a later command needs to know of this job."""
        write_json(self.folder.path / "job.json", self._description(status, why))

    def _description(self, status: JobStatus, why: str) -> dict[str, object]:
        return {
            "name": self.job.name,
            "status": status.value,
            "why": why,
            "experiment_name": self.job.experiment_name,
            "command": self.job.command,
            "parameters": dict(self.parameters),
            "mlflow_run_id": self.run.run_id,
        }


@dataclass(frozen=True)
class TrialOf:
    """What makes a job a trial: the sweep, its MLflow run, and the values drawn."""

    sweep: str
    run_id: str
    parameters: Mapping[str, Literal]


@dataclass(frozen=True)
class Site:
    """Where jobs run, and who hears of it.

    Attributes:
        root: `<outputs>/jobs`.
        tracking: The MLflow store.
        observer: Told of progress.
        interrupts: Whether the user wants to stop.
    """

    root: Path
    tracking: Tracking
    observer: Observer
    interrupts: Interrupts


def start_job(job: CommandJob, site: Site, trial: TrialOf | None = None) -> RunningJob:
    """Start a job in a folder of its own.

    Args:
        job: What runs.
        site: Where it runs.
        trial: The sweep that it is part of, if it is.

    Raises:
        MnistExpError: It could not be started; nothing of it runs.
    """
    folder = JobFolder(site.root, job.name)
    if folder.path.exists():
        raise JobError(f"run: a job named {job.name} exists in {site.root}; names are used once")
    folder.path.mkdir(parents=True)
    tags = {"azureml.job": job.name, "azureml.displayName": job.display_name}
    if trial is not None:
        tags |= {"mlflow.parentRunId": trial.run_id, "azureml.sweep": trial.sweep}
    run = site.tracking.start(job.experiment_name, job.name, folder.path, tags)
    literals = {name: value for name, value in job.inputs.items() if isinstance(value, Literal)}
    shown = trial.parameters if trial else literals
    running = RunningJob(job, shown, folder, run, site.tracking)
    running.describe(JobStatus.STARTING)
    try:
        running.start(trial.sweep if trial else None, site.observer.message)
    except BaseException as error:
        running.close(canceled=f"could not be started: {error}")
        raise
    return running
