"""Tables of a sweep's trials: the live table of a running sweep, and the ranking at its end."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from mnist_exp.records import Record
from mnist_exp.report.epochs import event_unit, planned_epochs
from mnist_exp.report.format import duration, number, plain, progress, trial_label
from mnist_exp.report.layout import ParameterColumns, new_table, styled_status
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.status import JobStatus

#: Total width of the live table's columns except parameters, time and reason, in characters.
_FIXED_WIDTH = 40
#: Widths of the columns `time` and `why`, which the live table shows only on wide terminals.
_TIME_WIDTH = 12
_WHY_WIDTH = 42
#: On a terminal narrower than this, a long status such as CancelRequested may be truncated.
_WIDE = 100
_STATUS_WIDTH = len(JobStatus.COMPLETED.value)
#: Total width of the ranking's columns except the parameters, in characters.
_RANKING_WIDTH = 40


def live_table(job: JobResult, width: int, height: int, total: int | None = None) -> Table:
    """Return the table of a running sweep, fitted to a terminal.

    Args:
        job: The sweep.
        width: Number of characters in a line.
        height: Maximum number of trials to show. The table's caption contains the number of trials
            that are not shown.
        total: Expected number of log events in a complete trial; None if unknown.
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
    unit = event_unit(planned_epochs(job.trials, total)).replace(" ", "\n")
    for heading in ("last", "best", unit, *(["time"] if with_time else [])):
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
        table.caption = Text(f"{hidden} more trials, not shown")
    return table


def visible_trials(job: JobResult, height: int) -> Sequence[TrialResult]:
    """Return at most `height` trials in the order of the sweep.

    Running trials have priority, then the best trial, then the latest trials.
    """

    def rank(indexed: tuple[int, TrialResult]) -> tuple[bool, bool, int]:
        index, trial = indexed
        return trial.status is not JobStatus.RUNNING, trial.name != job.best, -index

    room = max(height, 1)
    chosen = sorted(enumerate(job.trials), key=rank)[:room]
    return [trial for _, trial in sorted(chosen, key=lambda indexed: indexed[0])]


def ranking_table(record: Record, width: int) -> Table:
    """Return the table of an ended sweep's trials, the best trial first.

    Args:
        record: The record of the sweep.
        width: Number of characters in a line.
    """
    trials = _ranked(record)
    parameters = ParameterColumns([trial["parameters"] for trial in trials], width - _RANKING_WIDTH)
    table = new_table()
    table.add_column("rank", justify="right")
    table.add_column("trial", justify="right")
    table.add_column("status", no_wrap=True)
    parameters.add_to(table)
    table.add_column("best", justify="right", no_wrap=True)
    table.add_column("last", justify="right", no_wrap=True)
    best = record.best["name"] if record.best else None
    for place, trial in enumerate(trials, start=1):
        table.add_row(
            str(place) if trial.get("best") is not None else "-",
            trial_label(str(trial["name"]), record.name),
            styled_status(str(trial["status"])),
            *parameters.cells(trial["parameters"]),
            number(trial.get("best")),
            number(trial.get("last")),
            style="bold" if trial["name"] == best else "",
        )
    return table


def _ranked(record: Record) -> list[Mapping[str, Any]]:
    """Return the trials from the best to the worst.

    The record does not contain the goal of the sweep. The value of the best trial shows whether
    higher or lower is better.
    """
    scored = [trial for trial in record.trials if trial.get("best") is not None]
    rest = [trial for trial in record.trials if trial.get("best") is None]
    best = record.best
    if not best or not scored:
        return [*record.trials]
    higher_is_better = best["value"] >= max(trial["best"] for trial in scored)
    # Python's sort keeps the order of equal elements. Therefore trials with equal values stay in
    # the order of the sweep. The second sort moves the best trial to the front.
    scored.sort(key=lambda trial: -trial["best"] if higher_is_better else trial["best"])
    scored.sort(key=lambda trial: bool(trial["name"] != best["name"]))
    return [*scored, *rest]
