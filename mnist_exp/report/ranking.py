"""The ranking of a sweep's trials, from its record."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from mnist_exp.records import Record
from mnist_exp.report.columns import ParameterColumns, new_table
from mnist_exp.report.consoles import styled_status
from mnist_exp.report.format import number, trial_label

#: Characters of the columns beside the parameters.
_FIXED_WIDTH = 40


def ranking_table(record: Record, width: int) -> Table:
    """Return a table of a sweep's trials, the best one first.

    Args:
        record: Of a sweep.
        width: Characters in a line.
    """
    trials = _ranked(record)
    parameters = ParameterColumns([trial["parameters"] for trial in trials], width - _FIXED_WIDTH)
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
    """Order trials from the best to the worst; which way is better, the winner tells."""
    scored = [trial for trial in record.trials if trial.get("best") is not None]
    rest = [trial for trial in record.trials if trial.get("best") is None]
    best = record.best
    if not best or not scored:
        return [*record.trials]
    higher_is_better = best["value"] >= max(trial["best"] for trial in scored)
    # Sorting is stable, and the winner goes first: ties keep the order of the sweep.
    scored.sort(key=lambda trial: -trial["best"] if higher_is_better else trial["best"])
    scored.sort(key=lambda trial: bool(trial["name"] != best["name"]))
    return [*scored, *rest]
