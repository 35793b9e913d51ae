"""stage=runs: list the past runs of the outputs folder."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from mnist_exp.config import OutputFormat, RunsConfig, Stage
from mnist_exp.errors import MnistExpError
from mnist_exp.past_runs import JOB_STAGES, PastRun, past_runs, selected, with_status
from mnist_exp.records import Record
from mnist_exp.stages.context import StageRunner
from mnist_exp.status import JobStatus


class RunsStage(StageRunner):
    """The stage that lists past runs; it changes nothing."""

    stage = Stage.runs
    #: Whether a request to the workspace has failed. Further requests would only wait for the same
    #: error.
    _has_failed = False

    @cached_property
    def name(self) -> str:
        """The outputs folder."""
        return self.context.config.outputs_dir

    def run(self, record: Record) -> Record:
        """Print the runs that the config selects."""
        config, display = self.context.config.runs, self.context.display
        shown, hidden = self.selected()
        if config.format is OutputFormat.json:
            text = json.dumps([run.content() for run in shown], indent=2, ensure_ascii=False)
            for line in text.splitlines():
                display.output(line)
        elif shown:
            display.runs(shown, hidden, config.metric)
            if number := self._number_without_metric():
                runs = "1 run" if number == 1 else f"{number} runs"
                verb = "is" if number == 1 else "are"
                display.output(f"{runs} without {config.metric} {verb} not listed")
        else:
            total = len(self._recorded)
            why = f"none of the {total} runs matches" if total else "no run is recorded"
            display.output(f"{why} in {self.name}")
        return record

    @cached_property
    def _recorded(self) -> Sequence[PastRun]:
        stage = self.context.config.runs.stage
        return past_runs(self.context.index, *(JOB_STAGES if stage is None else (stage,)))

    def selected(self) -> tuple[Sequence[PastRun], int]:
        """Return the runs to show, with their present status, and the number of hidden runs."""
        config = self.context.config.runs
        found = self._matching(config)
        shown = found if config.limit is None else found[-config.limit :]
        hidden = len(found) - len(shown)
        # On Azure, each status needs a request. Ask only for the jobs in the table, if possible.
        return shown if config.status is not None else with_status(shown, self._status), hidden

    def _matching(self, config: RunsConfig) -> Sequence[PastRun]:
        found = selected(self._recorded, replace(config, status=None))
        if config.status is None:
            return found
        return selected(with_status(found, self._status), config)

    def _number_without_metric(self) -> int:
        """Return the number of runs that match all keys except `runs.metric` and its bounds."""
        config = self.context.config.runs
        if config.metric is None:
            return 0
        others = replace(config, metric=None, min_value=None, max_value=None)
        return sum(run.metric(config.metric) is None for run in self._matching(others))

    def _status(self, record: Record) -> JobStatus | None:
        """Return the present status of a job.

        The status in the record is returned in two cases: the job is in another kind of workspace
        than the command, or a request to the workspace has failed.
        """
        is_job = record.stage in JOB_STAGES
        if not is_job or not self.context.is_here(record) or self._has_failed:
            return record.status
        try:
            return self.context.workspace.find_job(record.name)
        except MnistExpError as error:
            self._has_failed = True
            self.context.display.message(
                f"warning: the table shows the recorded status of unfinished jobs ({error})"
            )
            return record.status
