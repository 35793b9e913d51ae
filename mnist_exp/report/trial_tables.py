"""Tables of a sweep's trials: the live table of a running sweep, and the ranking at its end."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from mnist_exp.records import RECORD_NAME, Record
from mnist_exp.report.epochs import interval_unit, planned_epochs
from mnist_exp.report.format import duration, number, progress, trial_label
from mnist_exp.report.layout import Column, parameter_table, styled_status
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.ranking import Goal

#: Maximum number of trials in the ranking.
_RANKED = 10


def live_table(
    job: JobResult, width: int, height: int, total: int | None = None, noun: str = "trial"
) -> Table:
    """Return the table of a running sweep, fitted to a terminal.

    Args:
        job: The sweep.
        width: Number of characters in a line.
        height: Maximum number of trials to show. The table's caption contains the number of trials
            that are not shown.
        total: Expected number of intervals in a complete trial; None if unknown.
        noun: The word for a trial. The variants of a multirun have no best value.
    """
    shown = visible_trials(job, height)
    unit = interval_unit(planned_epochs(job.trials, total))
    labels = [("*" if t.name == job.best else "") + trial_label(t.name, job.name) for t in shown]
    left = [
        Column(noun, labels),
        Column("status", [styled_status(trial.status.value) for trial in shown], "left"),
    ]
    best = [Column("best", [number(trial.best) for trial in shown])] if noun == "trial" else []
    right = [
        Column("last", [number(trial.last) for trial in shown], is_optional=bool(best)),
        *best,
        Column(unit, [progress(trial.events, total) for trial in shown]),
        Column("time", [duration(trial.duration_s) for trial in shown], is_optional=True),
    ]
    table = parameter_table(width, left, [trial.parameters for trial in shown], right)
    for row, trial in zip(table.rows, shown, strict=True):
        row.style = "bold" if trial.name == job.best else ""
    if hidden := len(job.trials) - len(shown):
        _add_to_caption(table, f"{hidden} more {noun}s are not shown")
    return table


def _add_to_caption(table: Table, text: str) -> None:
    table.caption = Text(f"{table.caption}; {text}" if table.caption else text)


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
    """Return the table of an ended sweep's best trials. The best trial comes last.

    Args:
        record: The record of the sweep.
        width: Number of characters in a line.
    """
    ranked = list(enumerate(_ranked(record), start=1))[:_RANKED][::-1]
    trials = [trial for _, trial in ranked]
    left = [
        Column("rank", [str(i) if one.get("best") is not None else "-" for i, one in ranked]),
        Column("trial", [trial_label(str(trial["name"]), record.name) for trial in trials]),
        Column("status", [styled_status(str(trial["status"])) for trial in trials], "left"),
    ]
    right = [
        Column("best", [number(trial.get("best")) for trial in trials]),
        Column("last", [number(trial.get("last")) for trial in trials], is_optional=True),
    ]
    table = parameter_table(width, left, [trial["parameters"] for trial in trials], right)
    best = record.best["name"] if record.best else None
    for row, trial in zip(table.rows, trials, strict=True):
        row.style = "bold" if trial["name"] == best else ""
    if hidden := len(record.trials) - len(trials):
        _add_to_caption(table, f"{hidden} more trials, which {RECORD_NAME} also lists")
    return table


def _ranked(record: Record) -> list[Mapping[str, Any]]:
    """Return the trials from the best to the worst.

    The record of an earlier version has no goal. The value of the best trial then shows whether
    higher or lower is better.
    """
    scored = [trial for trial in record.trials if trial.get("best") is not None]
    rest = [trial for trial in record.trials if trial.get("best") is None]
    best = record.best
    if not best or not scored:
        return [*record.trials]
    highest = max(trial["best"] for trial in scored)
    higher_is_better = record.goal == Goal.MAXIMIZE if record.goal else best["value"] >= highest
    # Python's sort keeps the order of equal elements. Therefore trials with equal values stay in
    # the order of the sweep. The second sort moves the best trial to the front.
    scored.sort(key=lambda trial: -trial["best"] if higher_is_better else trial["best"])
    scored.sort(key=lambda trial: bool(trial["name"] != best["name"]))
    return [*scored, *rest]
