"""stage=cancel: cancel a job that another command runs, or that runs on Azure."""

from functools import cached_property

from mnist_exp.config import Stage
from mnist_exp.records import Record
from mnist_exp.stages.context import StageRunner
from mnist_exp.stages.named_jobs import NamedJob, running_jobs


class CancelStage(StageRunner):
    """The stage that cancels a running job or sweep."""

    stage = Stage.cancel

    def faults(self) -> list[str]:
        """Return a message if the command line names no job, or an unknown job."""
        if self.context.config.run is not None:
            return NamedJob(self.context, self.context.config.run).faults()
        names = [run.record.name for run in running_jobs(self.context)]
        running = ", ".join(names) or "none"
        return [f"run: must name the job to cancel; add run=NAME; the running jobs are: {running}"]

    @cached_property
    def name(self) -> str:
        """The name of the job."""
        return str(self.context.config.run)

    def run(self, record: Record) -> Record:
        """Cancel the job, and wait until the job has ended."""
        job = NamedJob(self.context, self.name)
        if job.is_running or job.run is None or not job.run.record.status.is_finished:
            self.context.display.message(f"canceling {self.name}, and waiting until it has ended")
        try:
            job.cancel()
        except KeyboardInterrupt:
            self.context.display.message(f"the cancel request stays; {self.name} ends soon")
            raise
        self.context.display.output(f"{self.name} has ended")
        return record
