"""stage=runs: list the past runs of the outputs folder."""

import json
from functools import cached_property

from mnist_exp.config import OutputFormat, Stage
from mnist_exp.past_runs import JOB_STAGES, past_runs, selected, with_status
from mnist_exp.records import Record
from mnist_exp.stages.context import StageRunner
from mnist_exp.status import JobStatus


class RunsStage(StageRunner):
    """The stage that lists past runs; it changes nothing."""

    stage = Stage.runs

    @cached_property
    def name(self) -> str:
        """The outputs folder."""
        return self.context.config.outputs_dir

    def run(self, record: Record) -> Record:
        """Print the runs that the config selects."""
        config, display = self.context.config.runs, self.context.display
        stages = JOB_STAGES if config.stage is None else (config.stage,)
        runs = with_status(past_runs(self.context.index, *stages), self._status)
        found = selected(runs, config)
        shown = found if config.limit is None else found[-config.limit :]
        if config.format is OutputFormat.json:
            text = json.dumps([run.content() for run in shown], indent=2, ensure_ascii=False)
            for line in text.splitlines():
                display.output(line)
        elif shown:
            display.runs(shown, len(found) - len(shown), config.metric)
        else:
            total = f"none of the {len(runs)} runs matches" if runs else "no run is recorded"
            display.output(f"{total} in {self.name}")
        return record

    def _status(self, record: Record) -> JobStatus | None:
        """Return the present status of a job.

        The status of a job in another kind of workspace than that of the command stays unknown.
        """
        if record.stage not in JOB_STAGES:
            return record.status
        if record.workspace != self.context.config.workspace.type.value:
            return record.status
        return self.context.workspace.find_job(record.name)
