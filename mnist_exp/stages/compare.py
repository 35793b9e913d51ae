"""stage=compare: show the parameters, metrics and learning curves of several jobs side by side."""

from collections.abc import Sequence
from functools import cached_property, partial

from mnist_exp.config import Stage
from mnist_exp.lazy import figures
from mnist_exp.past_runs import PastRun
from mnist_exp.records import Record, shown_path
from mnist_exp.stages.context import StageRunner
from mnist_exp.stages.named_jobs import NamedJob
from mnist_exp.stages.watching import with_figure


class CompareStage(StageRunner):
    """The stage that compares jobs, sweeps and trials. Its only file is a figure."""

    stage = Stage.compare

    @cached_property
    def name(self) -> str:
        """The names of the jobs."""
        return ", ".join(self._names)

    @property
    def _names(self) -> Sequence[str]:
        run = self.context.config.run
        return run if isinstance(run, list) else []

    @cached_property
    def _jobs(self) -> list[NamedJob]:
        return [NamedJob(self.context, name) for name in dict.fromkeys(self._names)]

    def faults(self) -> list[str]:
        """Return a message for each unknown job, or a message if there are fewer than two jobs."""
        if len(self._jobs) < 2:
            given = self.context.config.run
            return [
                f"run: must name at least two different jobs, got {given}; write e.g. 'run=[A,B]'; "
                "mnist-exp stage=runs lists all jobs"
            ]
        return [fault for job in self._jobs for fault in job.faults()]

    def run(self, record: Record) -> Record:
        """Print the table, and draw the curves of all metrics that a job logged repeatedly."""
        runs = [self._past_run(job) for job in self._jobs]
        self.context.display.side_by_side(runs)
        curves = [
            (_label(number, run), job.result.metrics if job.result else {})
            for number, (job, run) in enumerate(zip(self._jobs, runs, strict=True), start=1)
        ]
        if any(len(points) > 1 for _, metrics in curves for points in metrics.values()):
            draw = partial(figures().comparison_curves, curves)
            drawn = with_figure(self.context, record, "comparison", draw)
            for path in drawn.paths.values():
                self.context.display.output(f"figure: {shown_path(path)}")
            for warning in drawn.warnings:
                self.context.display.message(f"warning: {warning}")
            return record.with_changes(paths=drawn.paths)
        return record

    def _past_run(self, job: NamedJob) -> PastRun:
        saved = job.run
        if saved is None:
            # A trial has no record. The inputs that the trial's sweep does not vary are in the
            # config of the sweep.
            sweep = NamedJob(self.context, job.name.rpartition("_")[0]).run
            return PastRun([job.record()], sweep.folders if sweep else ())
        return PastRun([*saved.records[:-1], job.record()], saved.folders)


def _label(number: int, run: PastRun) -> str:
    """Return the number, the name and the changes of a run, for the legend of the figure."""
    best = run.record.best
    trial = f" (best trial: {best['name']})" if best else ""
    return f"{number}  {run.record.name}{trial}  {' '.join(run.changes)}"
