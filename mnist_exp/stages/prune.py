"""stage=prune: print which files of past runs are no longer needed.

With `prune.delete=true`, delete these files. The stage selects training runs and sweeps, with their
trials, MLflow runs and records. The following jobs stay:

- jobs whose files are in a registered model,
- the best trial of each sweep; a sweep stays if one of its trials stays,
- the best training run of each experiment, unless `runs.status=Completed` is set,
- jobs that are running,
- failed and canceled jobs, unless `runs.status` selects this status,
- completed jobs whose command has not saved the results.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mnist_exp.config import RunOrder, RunsConfig, Stage
from mnist_exp.errors import MnistExpError
from mnist_exp.past_runs import JOB_STAGES, PastRun, past_runs, selected, with_status
from mnist_exp.records import (
    COMMAND_LOCK,
    COMMAND_LOG,
    CONFIG_NAME,
    CURVES_NAME,
    RECORD_NAME,
    REPORT_NAME,
    Record,
    shown_path,
)
from mnist_exp.results import StoredJob, counted, size_text
from mnist_exp.stages.context import StageRunner
from mnist_exp.status import JobStatus

#: The files that Hydra writes into a run folder.
_HYDRA_FILES = [f".hydra/{name}.yaml" for name in ("config", "hydra", "overrides")]


@dataclass(frozen=True)
class _Candidate:
    """A candidate for deletion: a stored job, or the files of a command in its run folder.

    Attributes:
        files: Name, total size and number of the files.
        reason: Why the files stay; empty if the files are deleted.
        folder: The run folder; None for a job.
        paths: The files in the run folder; empty for a job.
    """

    files: StoredJob
    reason: str = ""
    folder: Path | None = None
    paths: Sequence[Path] = ()


class PruneStage(StageRunner):
    """The stage that deletes past runs, or prints which runs it would delete."""

    stage = Stage.prune

    @cached_property
    def name(self) -> str:
        """The outputs folder."""
        return self.context.config.outputs_dir

    def run(self, record: Record) -> Record:
        """Print what stays and what is deleted. With `prune.delete=true`, also delete the files."""
        deletes, display = self.context.config.prune.delete, self.context.display
        size = files = leaving = 0
        for run in self._runs:
            candidates = list(self._candidates(run))
            leaving += any(one.folder and not one.reason for one in candidates)
            for candidate in candidates:
                verb = "keep" if candidate.reason else "delete"
                display.output(f"{verb:6}  {_text(candidate)}")
                if not candidate.reason:
                    size, files = size + candidate.files.size, files + candidate.files.files
                    if deletes:
                        self._delete(candidate)
        total = f"{size_text(size)} in {counted(files, 'file')}"
        hint = "; to delete the files, add prune.delete=true" if files else ""
        if leaving:
            verb = "have left" if deletes else "would leave"
            display.output(
                f"{counted(leaving, 'run')} {verb} the list of stage=runs, with records and metrics"
                + ("" if deletes else "; to keep recent runs, add e.g. runs.older_than_days=7")
            )
        display.output(f"freed {total}" if deletes else f"would free {total}{hint}")
        return record

    @cached_property
    def _known(self) -> list[PastRun]:
        """All jobs of this machine, oldest first."""
        workspace, runs = self.context.workspace, past_runs(self.context.index, *JOB_STAGES)
        found = [run for run in runs if self.context.is_here(run.record)]
        return with_status(found, lambda record: workspace.find_job(record.name))

    @cached_property
    def _runs(self) -> list[PastRun]:
        """The jobs that the command line selects."""
        config = self.context.config.runs
        found = [run for run in self._known if config.stage in (None, run.record.stage)]
        return selected(found, config)

    def _candidates(self, run: PastRun) -> Iterator[_Candidate]:
        """Yield the trials, then the job or the sweep itself.

        If the files of the job or sweep do not stay, also yield its run folders.
        """
        name, stored = run.record.name, self.context.workspace.stored_jobs(run.record.name)
        try:
            whole = self._why_all_stay(run)
            best = None if whole else self._best_trial(run)
        except MnistExpError as error:
            whole, best = str(error), None
        trials = [
            _Candidate(job, whole or _reason(job, best)) for job in stored if job.name != name
        ]
        yield from trials
        stays = whole or ("a trial stays" if any(trial.reason for trial in trials) else "")
        own = [_Candidate(job, stays or _reason(job, best)) for job in stored if job.name == name]
        yield from own
        # A job without files may still start or resume. In this case, its record stays.
        if not any(one.reason for one in own):
            for record, folder in zip(run.records, run.folders, strict=True):
                yield _run_files(record, folder, stays)

    def _why_all_stay(self, run: PastRun) -> str:
        """Return why all files of a run stay; empty if some files may be deleted."""
        status = run.record.status
        if not status.is_finished:
            return f"is {status.value}"
        if run.is_running:
            return "its command has not ended"
        if status is JobStatus.COMPLETED and not run.is_saved:
            return _not_saved(run.record)
        is_best = run.record.name in self._best_runs
        if (is_best or status is not JobStatus.COMPLETED) and not self.context.config.runs.status:
            what = f"the best run of {run.record.experiment_name}" if is_best else status.value
            return f"is {what}; to delete this run too, add runs.status={status.value}"
        return ""

    @cached_property
    def _best_runs(self) -> set[str]:
        """The names of the training runs with the best value of an experiment's metric."""
        trained = [run for run in self._known if run.record.stage is Stage.train]
        completed = [run for run in trained if run.record.status is JobStatus.COMPLETED]
        by_value = selected(completed, RunsConfig(order=RunOrder.metric))
        best = {
            (run.record.experiment_name, run.metric_name(None)): run.record.name
            for run in by_value
            if run.metric(None) is not None
        }
        return set(best.values())

    def _best_trial(self, run: PastRun) -> str | None:
        """Return the name of the best trial; None if the sweep has no best trial.

        The record of a killed sweep does not contain this name. In this case, ask the workspace.
        """
        if run.record.best is not None:
            return str(run.record.best["name"])
        result = self.context.workspace.job_result(run.record.name)
        return result.best if result else None

    def _delete(self, candidate: _Candidate) -> None:
        if candidate.folder is None:
            self.context.workspace.delete_job(candidate.files.name)
            return
        for path in candidate.paths:
            path.unlink(missing_ok=True)
        for name in ("figures", ".hydra", "."):
            # rmdir fails if the folder has other files. These files stay.
            with suppress(OSError):
                (candidate.folder / name).rmdir()


def _not_saved(record: Record) -> str:
    command = f"mnist-exp stage={record.stage.value} run={record.name}"
    return f"the results are not saved; to save the results, run: {command}"


def _reason(job: StoredJob, best: str | None) -> str:
    """Return why this job or trial must stay; empty if it is neither registered nor best trial."""
    if job.model:
        return f"registered as {job.model}"
    return "best trial" if job.name == best else ""


def _text(candidate: _Candidate) -> str:
    files = candidate.files
    size = f"{size_text(files.size):>8} in {counted(files.files, 'file')}"
    return f"{size}  {files.name}{': ' if candidate.reason else ''}{candidate.reason}"


def _run_files(record: Record, folder: Path, reason: str) -> _Candidate:
    """Return the files that a command wrote into its run folder, and why the files stay.

    The user can choose the run folder, e.g. with `hydra.run.dir=.`. The folder may therefore
    contain files of the user.
    """
    figures = {f"figures/{Path(path).name}" for path in record.paths.values()}
    names = (
        RECORD_NAME,
        REPORT_NAME,
        CURVES_NAME,
        CONFIG_NAME,
        COMMAND_LOG,
        COMMAND_LOCK,
        *_HYDRA_FILES,
        *figures,
    )
    paths = [path for path in (folder / name for name in names) if path.is_file()]
    size = sum(path.stat().st_size for path in paths)
    return _Candidate(
        StoredJob(f"record of {record.name} in {shown_path(str(folder))}", size, len(paths)),
        reason,
        folder,
        paths,
    )
