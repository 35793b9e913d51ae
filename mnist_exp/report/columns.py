"""Columns that tables of trials and of variants have in common."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from mnist_exp.report.words import number, pairs, plain

__all__ = ["ParameterColumns", "new_table"]


def new_table(title: str = "") -> Table:
    """Return an empty table without sides: eight columns fit in 80 characters."""
    return Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        header_style="bold",
        title=Text(title) if title else None,
        title_justify="left",
    )


class ParameterColumns:
    """A column for each parameter, or one for all where they would not fit.

    Args:
        rows: The parameters of each row.
        width: Characters that the columns may take.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], width: int) -> None:
        self._names = list(dict.fromkeys(name for row in rows for name in row))
        self._joined = sum(self._width(name, rows) for name in self._names) > width

    def add_to(self, table: Table) -> None:
        """Add the columns to a table."""
        if self._joined:
            table.add_column("parameters", ratio=1, overflow="fold")
            return
        for name in self._names:
            table.add_column(_folded(name), justify="right", overflow="fold")

    def cells(self, parameters: Mapping[str, Any]) -> Iterable[Text]:
        """Return the cells of one row."""
        if self._joined:
            return [Text(pairs(parameters))]
        return [
            Text(number(parameters[name]) if name in parameters else "") for name in self._names
        ]

    @staticmethod
    def _width(name: str, rows: Sequence[Mapping[str, Any]]) -> int:
        values = [number(row[name]) for row in rows if name in row]
        heading = str(_folded(name)).split("\n")
        return max(map(len, [*values, *heading])) + 1


def _folded(name: str) -> Text:
    """Return a name with a line for each of its words: values are shorter than names."""
    return Text(plain(name).replace("_", "_\n"))
