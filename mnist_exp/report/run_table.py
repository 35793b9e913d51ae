"""The table of past runs: one row for each run.

The changes against the defaults stand at the end of the row. If a terminal is too narrow, the
changes of all rows stand on the next line instead. A pipe gets one line for each run, so that
`grep` finds whole runs.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from mnist_exp.past_runs import PastRun
from mnist_exp.report.format import duration, number, plain
from mnist_exp.report.layout import print_line, styled_status
from mnist_exp.status import JobStatus

_HEADINGS = ("name", "stage", "status", "started", "time", "metric")
#: The columns whose text is at the right.
_RIGHT = ("time", "metric")
_GAP = "  "


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
    rows = [_cells(run, metric) for run in runs]
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


def _cells(run: PastRun, metric: str | None) -> list[str]:
    record = run.record
    started = datetime.fromisoformat(run.records[0].started).astimezone()
    return [
        plain(record.name),
        record.stage.value,
        record.status.value,
        f"{started:%m-%d %H:%M}",
        duration(_seconds(run)),
        number(run.metric(metric)),
    ]


def _seconds(run: PastRun) -> float | None:
    """Return the duration of a run; for a running job, the time since its last start."""
    if run.record.status is not JobStatus.RUNNING:
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
