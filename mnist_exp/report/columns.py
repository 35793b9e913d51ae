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
        one_line: Cut what does not fit, instead of folding it.
    """

    def __init__(
        self, rows: Sequence[Mapping[str, Any]], width: int, *, one_line: bool = False
    ) -> None:
        self._width = max(width - 2, 1) if one_line else None
        self._names = list(dict.fromkeys(name for row in rows for name in row))
        self._joined = sum(_needed(name, rows) for name in self._names) > width

    def add_to(self, table: Table) -> None:
        """Add the columns to a table."""
        if self._joined:
            table.add_column("parameters", overflow="fold", no_wrap=self._width is not None)
            return
        for name in self._names:
            table.add_column(_folded(name), justify="right", overflow="fold")

    def cells(self, parameters: Mapping[str, Any]) -> Iterable[Text]:
        """Return the cells of one row."""
        if self._joined:
            joined = Text(pairs(parameters))
            if self._width is not None:
                joined.truncate(self._width, overflow="ellipsis")
            return [joined]
        return [
            Text(number(parameters[name]) if name in parameters else "") for name in self._names
        ]


def _needed(name: str, rows: Sequence[Mapping[str, Any]]) -> int:
    """Return the characters that a parameter's column takes, with the blanks around it."""
    values = [number(row[name]) for row in rows if name in row]
    return max(map(len, [*values, *str(_folded(name)).split("\n")])) + 2


def _folded(name: str) -> Text:
    """Return a name with a line for each of its words: values are shorter than names."""
    return Text(plain(name).replace("_", "_\n"))
