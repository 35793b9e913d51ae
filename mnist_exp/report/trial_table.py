"""The live table of a sweep's trials."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from mnist_exp.report.columns import ParameterColumns, new_table
from mnist_exp.report.consoles import styled_status
from mnist_exp.report.format import duration, number, plain, progress, trial_label
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.status import JobStatus

#: Characters of the columns beside the parameters, and of those that only wide terminals get.
_FIXED_WIDTH = 43
_TIME_WIDTH = 12
_WHY_WIDTH = 42
#: Longer words, such as CancelRequested, are cut where there is little room.
_WIDE = 100
_STATUS_WIDTH = len(JobStatus.COMPLETED.value)


def trial_table(job: JobResult, width: int, height: int, total: int | None = None) -> Table:
    """Return the table of a sweep as it is now, fitted to a terminal.

    Args:
        job: The sweep.
        width: Characters in a line.
        height: Lines that may be used; trials that do not fit are counted below the table.
        total: Log events of a trial that runs to its end.
    """
    shown = visible_trials(job, height)
    with_time = width >= 90
    with_why = width >= 120 and any(trial.why for trial in job.trials)
    used = _FIXED_WIDTH + with_time * _TIME_WIDTH + with_why * _WHY_WIDTH
    rows = [trial.parameters for trial in job.trials]
    status_width = max([_STATUS_WIDTH, *(len(trial.status.value) for trial in job.trials)])
    room = width - used - (status_width - _STATUS_WIDTH)
    parameters = ParameterColumns(rows, room, one_line=True)
    if parameters.are_joined and width < _WIDE:
        status_width = _STATUS_WIDTH
        parameters = ParameterColumns(rows, width - used, one_line=True)
    table = new_table()
    table.add_column("trial", justify="right")
    table.add_column("status", no_wrap=True, max_width=status_width)
    parameters.add_to(table)
    for heading in ("last", "best", "interval", *(["time"] if with_time else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    if with_why:
        table.add_column("why", overflow="ellipsis", no_wrap=True, max_width=_WHY_WIDTH - 2)
    for trial in shown:
        is_best = trial.name == job.best
        table.add_row(
            Text(("*" if is_best else "") + trial_label(trial.name, job.name)),
            styled_status(trial.status.value),
            *parameters.cells(trial.parameters),
            number(trial.last),
            number(trial.best),
            progress(trial.events, total),
            *([duration(trial.duration_s)] if with_time else []),
            *([Text(plain(trial.why))] if with_why else []),
            style="bold" if is_best else "",
        )
    if hidden := len(job.trials) - len(shown):
        table.caption = Text(f"{hidden} more that have ended")
    return table


def visible_trials(job: JobResult, height: int) -> Sequence[TrialResult]:
    """Choose the trials to show: those that run, the best one, and then the latest."""

    def rank(indexed: tuple[int, TrialResult]) -> tuple[bool, bool, int]:
        index, trial = indexed
        return trial.status is not JobStatus.RUNNING, trial.name != job.best, -index

    room = max(height, 1)
    chosen = sorted(enumerate(job.trials), key=rank)[:room]
    return [trial for _, trial in sorted(chosen, key=lambda indexed: indexed[0])]
