"""stage=prune: delete the files of past runs that nobody needs.

The stage deletes training runs, and the trials of sweeps. The following jobs stay:

- jobs whose files are in a registered model,
- the best trial of each sweep, and the sweep itself,
- jobs that run,
- jobs that may resume, unless `runs.status` selects them.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mnist_exp.config import Stage
from mnist_exp.past_runs import JOB_STAGES, PastRun, past_runs, selected, with_status
from mnist_exp.records import Record
from mnist_exp.results import StoredJob, counted
from mnist_exp.stages.context import StageRunner
from mnist_exp.status import JobStatus


@dataclass(frozen=True)
class _Candidate:
    """The files of a job, or the run folders of a run, and the reason why the files stay.

    Attributes:
        files: The files.
        reason: The reason; empty if the files are deleted.
        folders: The run folders; empty for a job.
    """

    files: StoredJob
    reason: str = ""
    folders: Sequence[Path] = ()


class PruneStage(StageRunner):
    """The stage that deletes past runs, or prints which runs it would delete."""

    stage = Stage.prune

    @cached_property
    def name(self) -> str:
        """The outputs folder."""
        return self.context.config.outputs_dir

    def faults(self) -> list[str]:
        """Return a message if the workspace is not on this machine."""
        if not self.context.workspace.outlives_command:
            return []
        return [
            "workspace: must be local, because stage=prune deletes files of this machine; the SDK "
            "cannot delete jobs on Azure ML, only archive them"
        ]

    def run(self, record: Record) -> Record:
        """Print what stays and what is deleted. With `prune.delete=true`, also delete the files."""
        deletes, display = self.context.config.prune.delete, self.context.display
        size = files = 0
        for run in self._runs():
            for candidate in self._candidates(run):
                verb = "keep" if candidate.reason else "delete"
                display.output(f"{verb:6}  {_text(candidate)}")
                if not candidate.reason:
                    size, files = size + candidate.files.size, files + candidate.files.files
                    if deletes:
                        self._delete(candidate)
        total = f"{size / 1e6:.1f} MB in {counted(files, 'file')}"
        hint = "; to delete the files, add prune.delete=true" if files else ""
        display.output(f"freed {total}" if deletes else f"would free {total}{hint}")
        return record

    def _runs(self) -> list[PastRun]:
        """Return the selected jobs of this machine, oldest first."""
        config, workspace = self.context.config, self.context.workspace
        stages = [stage for stage in JOB_STAGES if config.runs.stage in (None, stage)]
        kind = config.workspace.type.value
        found = [
            run for run in past_runs(self.context.index, *stages) if run.record.workspace == kind
        ]
        known = with_status(found, lambda record: workspace.find_job(record.name))
        return selected(known, config.runs)

    def _candidates(self, run: PastRun) -> Iterator[_Candidate]:
        """Yield the trials of a sweep, then the job or the sweep itself, then the run folders."""
        name, stored = run.record.name, self.context.workspace.stored_jobs(run.record.name)
        trials = [_Candidate(job, self._reason(run, job)) for job in stored if job.name != name]
        yield from trials
        own = [_Candidate(job, self._reason(run, job)) for job in stored if job.name == name]
        if any(trial.reason for trial in trials):
            own = [_Candidate(one.files, one.reason or "a trial stays") for one in own]
        yield from own
        if not any(one.reason for one in own):
            yield _Candidate(_stored(f"record of {name}", run.folders), folders=run.folders)

    def _reason(self, run: PastRun, job: StoredJob) -> str:
        """Return why the files of a job or a trial stay; empty if the files are deleted."""
        status = run.record.status
        if not status.is_finished:
            return f"is {status.value}"
        if status is not JobStatus.COMPLETED and self.context.config.runs.status is None:
            return f"may resume; runs.status={status.value} selects it"
        if job.model:
            return f"registered as {job.model}"
        is_best = run.record.best is not None and run.record.best["name"] == job.name
        return "best trial" if is_best else ""

    def _delete(self, candidate: _Candidate) -> None:
        for folder in candidate.folders:
            shutil.rmtree(folder, ignore_errors=True)
        if not candidate.folders:
            self.context.workspace.delete_job(candidate.files.name)


def _text(candidate: _Candidate) -> str:
    files = candidate.files
    size = f"{files.size / 1e6:7.1f} MB in {counted(files.files, 'file')}"
    return f"{size}  {files.name}{': ' if candidate.reason else ''}{candidate.reason}"


def _stored(name: str, folders: Sequence[Path]) -> StoredJob:
    """Return the number and the size of all files in run folders."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return StoredJob(name, sum(path.stat().st_size for path in files), len(files))
