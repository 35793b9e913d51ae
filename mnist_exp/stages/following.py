"""Follow a job that another command on this machine runs.

`stage=train run=NAME` and `stage=sweep run=NAME` wait for a running job, as on Azure ML. The other
command, which may run in the background, saves the record and draws the figures. The command that
follows the job writes no files.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from mnist_exp.past_runs import PastRun
from mnist_exp.records import RECORD_NAME, Record, load_record
from mnist_exp.results import JobResult
from mnist_exp.stages.context import StageRunner
from mnist_exp.stages.named_jobs import NamedJob, print_job
from mnist_exp.stages.resume import MAY_CHANGE
from mnist_exp.stages.watching import JobStage, progress
from mnist_exp.status import KILLED, JobStatus
from mnist_exp.workspaces.base import Detached

#: Seconds between two looks at the job.
_POLL_S = 0.2


class FollowedJob(StageRunner):
    """A running job that the command follows.

    Args:
        job: The stage that would run the job if no other command ran the job.
        run: The records of the job.
    """

    def __init__(self, job: JobStage, run: PastRun) -> None:
        # The run folder of the other command has the record and the figures.
        super().__init__(replace(job.context, folder=run.folders[-1]))
        self.stage = job.stage
        self._job = job
        self._run = run

    @property
    def is_recorded(self) -> bool:
        """Return False, because the other command saves the record."""
        return False

    @property
    def name(self) -> str:
        """The name of the job."""
        return self._job.name

    def run(self, record: Record) -> Record:
        """Show the progress of the job until its command has ended. Return the command's record.

        With `wait=false`, only show the state of the job.

        Raises:
            Detached: The user pressed Ctrl-C. The job continues.
        """
        if not self.context.config.wait:
            present = NamedJob(self.context, self.name).record()
            self.context.display.summary(present)
            return present
        self.context.display.message(
            f"another command runs {self.name}; Ctrl-C ends only this command"
        )
        try:
            self._watch()
        except KeyboardInterrupt:
            raise Detached(self.name) from None
        ended = load_record(self.context.folder / RECORD_NAME)
        if not ended.status.is_finished:
            ended = ended.with_changes(status=JobStatus.FAILED, why=KILLED)
        print_job(self.context, ended)
        return ended

    def _watch(self) -> None:
        shown: JobResult | None = None
        with progress(self.context, self._job.job, self._run.record.primary_metric) as observer:
            while self._run.is_running:
                result = self.context.workspace.job_result(self.name)
                # Before the job starts, its result wrongly says that the command was killed. Do not
                # show this result.
                if result is not None and result != shown and result.why != KILLED:
                    observer.job_changed(result)
                    shown = result
                time.sleep(_POLL_S)


def followed(runner: StageRunner) -> StageRunner:
    """Return the stage that follows the job, if another command runs the job; otherwise `runner`.

    A command that changes a key of the job does not follow the job. The workspace's check of
    `runner` then raises an error.
    """
    context = runner.context
    config = context.config
    if not isinstance(runner, JobStage) or config.run is None or config.dry_run:
        return runner
    changes = any(_is_among(key, MAY_CHANGE[runner.stage]) for key in config.given)
    job = NamedJob(context, runner.name)
    if changes or job.run is None or not job.run.is_running or context.workspace.outlives_command:
        return runner
    return FollowedJob(runner, job.run)


def _is_among(key: str, keys: Sequence[str]) -> bool:
    """Return whether a dotted key is in `keys`, or is below a key in `keys`."""
    return any(f"{key}.".startswith(f"{other}.") for other in keys)
