"""The table that compares the variants of a multirun.

A multirun is a command with the flag `-m`. The command runs the stage once for each variant, which
is a combination of overrides.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mnist_exp.records import Record
from mnist_exp.report.format import duration, number, plain
from mnist_exp.report.layout import (
    ParameterColumns,
    folded,
    new_table,
    omitted_text,
    print_line,
    print_table,
    styled_status,
    table_width,
)

#: Width of the column of one metric, in characters.
_METRIC_WIDTH = 9
#: Total width of the columns for index, status and time, in characters.
_FIXED_WIDTH = 30
_MAX_METRICS = 6
#: Prefixes of metric names. If equally many variants logged two metrics, this order decides which
#: column comes first.
_FIRST = ("best", "test", "val")


def print_comparison(
    records: Sequence[Record], console: Console, variants: Sequence[str] = ()
) -> None:
    """Print the table of a multirun, then the reason of each variant that failed."""
    console.print()
    print_table(console, comparison_table(records, variants, table_width(console)))
    for index, record in enumerate(records):
        if record.why:
            print_line(console, f"  {index} {record.status.value}: {plain(record.why)}")


def comparison_table(
    records: Sequence[Record], variants: Sequence[str] = (), width: int = 80
) -> Table:
    """Return a table with one row per variant: its parameters, status, metrics and duration.

    Args:
        records: One record per variant, including failed variants.
        variants: The overrides of each variant, e.g. `model=small`. If empty, the table shows the
            parameters that differ between variants.
        width: Number of characters in a line.
    """
    differing = [{"": ""} for _ in records] if variants else _differing(records)
    metrics = _metrics(records)[: _room_for_metrics(width)]
    parameters = ParameterColumns(differing, width - _FIXED_WIDTH - _METRIC_WIDTH * len(metrics))
    table = new_table()
    table.add_column("", justify="right")
    if variants:
        table.add_column("variant", ratio=1, overflow="fold")
    else:
        parameters.add_to(table)
    table.add_column("status", no_wrap=True)
    for name in metrics:
        table.add_column(folded(name, _METRIC_WIDTH), justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    for index, record in enumerate(records):
        what = [Text(plain(variants[index]))] if variants else parameters.cells(differing[index])
        table.add_row(
            str(index),
            *what,
            styled_status(record.status.value),
            *(number(_values(record).get(name)) for name in metrics),
            duration(record.duration_s),
        )
    if parameters.omitted:
        table.caption = omitted_text(parameters.omitted)
    return table


def _differing(records: Sequence[Record]) -> list[Mapping[str, Any]]:
    rows = [{"stage": record.stage.value, **record.parameters} for record in records]
    names = list(dict.fromkeys(name for row in rows for name in row))
    # Ignore variants without the parameter: a variant that failed early has no parameters.
    known = {name: [row[name] for row in rows if name in row] for name in names}
    differ = [name for name in names if any(value != known[name][0] for value in known[name])]
    return [{name: row[name] for name in differ if name in row} for row in rows]


def _metrics(records: Sequence[Record]) -> list[str]:
    """Return the metric names, in the order of their columns.

    Sort the metrics by the number of variants that logged each metric, highest first. For equal
    numbers, use the order of `_FIRST`.
    """
    counts = Counter(name for record in records for name in _values(record))

    def rank(name: str) -> tuple[int, int]:
        places = [place for place, start in enumerate(_FIRST) if name.startswith(start)]
        return -counts[name], min(places, default=len(_FIRST))

    return sorted(counts, key=rank)


def _values(record: Record) -> dict[str, Any]:
    best = {"best": record.best.get("value")} if record.best else {}
    return {**best, **record.metrics}


def _room_for_metrics(width: int) -> int:
    return max(1, min(_MAX_METRICS, (width - _FIXED_WIDTH) // 2 // _METRIC_WIDTH))
