"""Two tables of past runs: a row for each run, and a column for each run.

In the first table, each row ends with the overrides that changed the defaults. If a terminal is too
narrow, the overrides of each row are on a line of their own. A pipe gets one line for each run, so
that `grep` finds whole runs.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from mnist_exp.past_runs import JOB_STAGES, PastRun
from mnist_exp.report.format import duration, number, pairs, plain
from mnist_exp.report.layout import print_line, styled_status
from mnist_exp.status import JobStatus

_HEADINGS = ("name", "stage", "status", "started", "time", "metric")
#: The columns whose text is aligned to the right.
_RIGHT = ("time", "metric")
_GAP = "  "
#: The heading of the row with the numbers of the runs.
_NUMBER = "run"


def print_runs(
    runs: Sequence[PastRun], console: Console, hidden: int = 0, metric: str | None = None
) -> None:
    """Print the table of past runs.

    Args:
        runs: The runs, in the order of the rows.
        console: The console to print on.
        hidden: Number of earlier runs that the table does not show.
        metric: The metric in the table; None means the primary metric of each run.
    """
    if hidden:
        print_line(console, f"{hidden} more runs above; runs.limit=null lists all runs", "dim")
    named = {run.metric_name(metric) for run in runs if run.metric(metric) is not None}
    rows = [_cells(run, metric, is_named=len(named) > 1) for run in runs]
    changes = [plain(" ".join(run.changes)) for run in runs]
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *rows, strict=True)]
    room = console.width - sum(widths) - len(_GAP) * len(widths)
    is_inline = not console.is_terminal or max(map(len, changes)) <= room
    heading = _row(_HEADINGS, widths)
    print_line(console, f"{heading}{_GAP}changes" if is_inline else heading, "bold")
    for run, row, text in zip(runs, rows, changes, strict=True):
        line = _styled(_row(row, widths), run)
        if text:
            line.append(f"{_GAP}{text}" if is_inline else f"\n{_GAP}{text}", "dim")
        print_line(console, line)
    if about := _about_metric(runs, metric):
        print_line(console, about, "dim")


def print_side_by_side(runs: Sequence[PastRun], console: Console) -> None:
    """Print a table with a column for each run: its status, its parameters and its metrics.

    The first lines give a number to each run. A parameter with the same value in all runs has no
    row. If the console is too narrow for all columns, the table has several parts.
    """
    for index, run in enumerate(runs, start=1):
        changes = plain(" ".join(run.changes))
        line = Text.assemble((str(index), "bold"), f"{_GAP}{plain(run.record.name)}")
        print_line(console, line.append(f"{_GAP}{changes}" if changes else "", "dim"))
    rows = _compared(runs)
    label = max(map(len, rows))
    widths = [max(map(len, column)) for column in zip(*rows.values(), strict=True)]
    fitting = max(1, (console.width - label) // (max(widths) + len(_GAP)))
    for start in range(0, len(runs), fitting):
        print_line(console, "")
        for name, cells in rows.items():
            part = zip(cells[start : start + fitting], widths[start : start + fitting], strict=True)
            aligned = (cell.rjust(width) for cell, width in part)
            row = _GAP.join([name.ljust(label), *aligned])
            print_line(console, row, "bold" if name == _NUMBER else "")
    equal = {name: values[0] for name, values in _parameters(runs).items() if _are_equal(values)}
    if equal:
        print_line(console, f"equal: {pairs(equal)}", "dim")


def _compared(runs: Sequence[PastRun]) -> dict[str, list[str]]:
    """Return heading -> one cell for each run, for the rows of the table."""
    records = [run.record for run in runs]
    rows = {
        _NUMBER: [str(index) for index in range(1, len(runs) + 1)],
        "status": [record.status.value for record in records],
        "time": [duration(_seconds(run)) for run in runs],
    }
    for name, values in _parameters(runs).items():
        if not _are_equal(values):
            rows[plain(name)] = [number(value) for value in values]
    metrics = [run.metrics for run in runs]
    for name in _names(metrics):
        rows[plain(name)] = [number(each.get(name)) for each in metrics]
    return rows


def _parameters(runs: Sequence[PastRun]) -> dict[str, list[Any]]:
    """Return parameter -> one value for each run; None for a run without the parameter."""
    found = [run.parameters for run in runs]
    return {name: [each.get(name) for each in found] for name in _names(found)}


def _are_equal(values: Sequence[Any]) -> bool:
    return all(value == values[0] for value in values)


def _names(mappings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys of all mappings, each key once."""
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def _cells(run: PastRun, metric: str | None, *, is_named: bool) -> list[str]:
    record, value = run.record, run.metric(metric)
    name = f"{plain(run.metric_name(metric))} " if is_named and value is not None else ""
    started = datetime.fromisoformat(run.records[0].started).astimezone()
    return [
        plain(record.name),
        record.stage.value,
        record.status.value,
        f"{started:%m-%d %H:%M}",
        duration(_seconds(run)),
        name + number(value),
    ]


def _seconds(run: PastRun) -> float | None:
    """Return the duration of a run; for a running job, the time since its last start."""
    # A trial has no record of its own, so its start is unknown. If the command of a stage without a
    # job was killed, the stage keeps the status Running forever.
    is_job = run.record.stage in JOB_STAGES
    if run.record.status is not JobStatus.RUNNING or not run.record.started or not is_job:
        return run.duration_s
    return (datetime.now(UTC) - datetime.fromisoformat(run.record.started)).total_seconds()


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [
        cell.rjust(width) if heading in _RIGHT else cell.ljust(width)
        for heading, cell, width in zip(_HEADINGS, cells, widths, strict=True)
    ]
    return _GAP.join(aligned)


def _styled(line: str, run: PastRun) -> Text:
    """Return the row with its status in colour."""
    status = styled_status(run.record.status.value)
    text = Text(line)
    text.highlight_words([status.plain], str(status.style))
    return text


def _about_metric(runs: Sequence[PastRun], metric: str | None) -> str:
    """Return a line that names the metric of the table; empty if the table has no value."""
    known = [run.record.primary_metric for run in runs if run.metric(metric) is not None]
    named = metric or ", ".join(dict.fromkeys(known))
    return f"metric: the last value of {named}; for a sweep, the best trial's" if known else ""
