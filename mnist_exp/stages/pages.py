"""Write `report.html` for a training run or a sweep: at its end, and while it runs.

An error never fails the run. At the end, an error is a warning in the record.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from mnist_exp.config import Stage
from mnist_exp.lazy import report_page
from mnist_exp.past_runs import JOB_STAGES, PastRun
from mnist_exp.records import REPORT_NAME, Record, shown_path
from mnist_exp.results import JobResult
from mnist_exp.stages.context import StageContext
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.journal import JOURNAL_NAME
from mnist_exp.workspaces.base import Observer

#: Minimum number of seconds between two pages of a run that has not ended.
EVERY_S = 5.0
#: Maximum share of the time in which the command writes the page. Meanwhile, the command reads no
#: metrics of the job.
_MAX_SHARE = 0.02


def with_page(context: StageContext, record: Record) -> Record:
    """Write the page of a job. Return the record with the path of the page, or with a warning."""
    if record.stage not in JOB_STAGES or record.status is JobStatus.NOT_STARTED:
        return record
    try:
        path = report_page().write_report(with_first_command(context, record), context.folder)
        if record.trials:
            context.workspace.add_artifacts(record.name, {REPORT_NAME: path})
    except Exception as error:
        # Scripts may log values that the page cannot show. The job's result must not be lost.
        warning = f"report: could not be written ({type(error).__name__}: {error})"
        return record.with_changes(warnings=[*record.warnings, warning])
    return record.with_changes(paths={**record.paths, "report": str(path)})


def save_curves(record: Record, result: JobResult, folder: Path) -> None:
    """Write the curves of a job without a journal to its run folder, for the page of the job.

    Args:
        record: The record of the job.
        result: The present result of the job.
        folder: The run folder.
    """
    # Without the curves, the page is still useful.
    with suppress(Exception):
        if record.stage is Stage.train:
            report_page().save_curves(result.metrics, folder)
        elif not Path(result.folder or "", JOURNAL_NAME).is_file():
            report_page().save_trial_curves(result.trials, record.primary_metric, folder)


def with_first_command(context: StageContext, record: Record) -> Record:
    """Return the record of a job with the flags and the overrides of the job's first command.

    A command that resumes a job needs no flags and few overrides. Only the first record has all of
    them.
    """
    if context.config.run is None:
        return record
    found = context.index.newest_first(record.stage)
    run = PastRun([record, *(each for each, _ in found if each.name == record.name)][::-1], ())
    return record.with_changes(flags=run.records[0].flags, overrides=run.changes)


class LivePage:
    """An observer that passes all calls on, and rewrites the page of the running job.

    Args:
        context: The context of the stage.
        record: The record of the job, with the status Running.
        with_result: Function that returns the record with the present result of the job.
        observer: The observer that gets all calls.
        clock: Function that returns the time in seconds. Tests replace this function.
    """

    def __init__(
        self,
        context: StageContext,
        record: Record,
        with_result: Callable[[Record, JobResult], Record],
        observer: Observer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = context.folder
        self._record = with_first_command(context, record)
        self._with_result = with_result
        self._observer = observer
        self._clock = clock
        self._next = clock() + EVERY_S
        self._journal: Any = None

    def job_changed(self, job: JobResult) -> None:
        """Pass the state on, and write the page if the last page is old enough."""
        self._observer.job_changed(job)
        began = self._clock()
        if began < self._next or job.status.is_finished:
            return
        # The end of the stage reports an error.
        with suppress(Exception):
            self._write(job)
        ended = self._clock()
        self._next = ended + max(EVERY_S, (ended - began) / _MAX_SHARE)

    def message(self, text: str) -> None:
        """Pass the message on."""
        self._observer.message(text)

    def idle(self) -> None:
        """Pass the call on."""
        self._observer.idle()

    def _write(self, job: JobResult) -> None:
        page = report_page()
        is_first = self._journal is None
        if self._journal is None:
            self._journal = page.JournalReader()
        record = self._with_result(self._record, job)
        save_curves(record, job, self._folder)
        path: Path = page.write_report(record, self._folder, self._journal)
        if is_first:
            self._observer.message(f"the report of the running job: {shown_path(str(path))}")
