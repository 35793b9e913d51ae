"""stage=report: write a page with the results of a training run or a sweep."""

from functools import cached_property

from mnist_exp.config import Stage
from mnist_exp.lazy import report_page
from mnist_exp.records import Record, shown_path
from mnist_exp.stages.context import StageRunner
from mnist_exp.stages.named_jobs import NamedJob
from mnist_exp.stages.pages import with_first_command


class ReportStage(StageRunner):
    """The stage that writes `report.html` beside the `run.json` of a job."""

    stage = Stage.report

    @cached_property
    def name(self) -> str:
        """The name of the job."""
        return str(self.context.config.run)

    @cached_property
    def _job(self) -> NamedJob:
        return NamedJob(self.context, self.name)

    def faults(self) -> list[str]:
        """Return a message if `run=` names no job that has a run folder."""
        if self.context.config.run is None:
            return [
                "run: must name the job to report; add run=NAME; "
                "mnist-exp stage=runs lists all jobs"
            ]
        if faults := self._job.faults():
            return faults
        if self._job.run is None:
            return [
                "run: must name a training run or a sweep with a run folder, "
                f"got {self.name}; mnist-exp stage=runs lists all jobs"
            ]
        return []

    def run(self, record: Record) -> Record:
        """Write the page, and print its path."""
        run = self._job.run
        if run is not None:
            job = with_first_command(self.context, self._job.record())
            path = report_page().write_report(job, run.folders[-1])
            self.context.display.output(f"report: {shown_path(str(path))}")
        return record
