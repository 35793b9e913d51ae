"""Columns that tables of trials and of variants have in common."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from mnist_exp.report.format import number, pairs, plain


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
        self._width = max(width - 2, 1)
        self._one_line = one_line
        self._names = list(dict.fromkeys(name for row in rows for name in row))
        values = {name: _widest(name, rows) for name in self._names}
        # Names are folded only where there is no room for them as they are.
        layouts = [
            {name: Text(plain(name)) for name in self._names},
            {name: folded(name, values[name]) for name in self._names},
        ]
        self._headings = next(
            (headings for headings in layouts if _needed(headings, values) <= width), None
        )

    @property
    def are_joined(self) -> bool:
        """Whether there is one column for all."""
        return self._headings is None

    def add_to(self, table: Table) -> None:
        """Add the columns to a table."""
        if self._headings is None:
            table.add_column("parameters", overflow="fold", no_wrap=self._one_line)
            return
        for heading in self._headings.values():
            table.add_column(heading, justify="right", overflow="fold")

    def cells(self, parameters: Mapping[str, Any]) -> Iterable[Text]:
        """Return the cells of one row."""
        if self._headings is None:
            if not self._one_line:
                return [Text("\n".join(map(self._pair, parameters, parameters.values())))]
            joined = Text(pairs(parameters))
            joined.truncate(self._width, overflow="ellipsis")
            return [joined]
        return [
            Text(number(parameters[name]) if name in parameters else "") for name in self._names
        ]

    def _pair(self, name: str, value: object) -> str:
        """Return `name=value`, the value in a line of its own where it would be broken in two."""
        pair = f"{plain(name)}={number(value)}"
        return pair if len(pair) <= self._width else f"{plain(name)}\n={number(value)}"


def folded(name: str, width: int) -> Text:
    """Return a name, with a line for each of its words if it is longer than `width`."""
    text = plain(name)
    return Text(text if len(text) <= width else text.replace("_", "_\n"))


def _widest(name: str, rows: Sequence[Mapping[str, Any]]) -> int:
    return max(len(number(row[name])) for row in rows if name in row)


def _needed(headings: Mapping[str, Text], values: Mapping[str, int]) -> int:
    """Return the characters that all columns take, with the blanks around them."""
    return sum(
        max(values[name], *map(len, heading.plain.split("\n"))) + 2
        for name, heading in headings.items()
    )
