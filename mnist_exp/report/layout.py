"""Consoles, lines, statuses, tables and parameter columns, for all modules of `report`."""

import errno
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mnist_exp.report.format import number, pairs, plain

#: Azure ML's name of a status -> style for rich.
_STATUS_STYLES = {
    "Completed": "green",
    "Running": "cyan",
    "Canceled": "yellow",
    "CancelRequested": "yellow",
    "Failed": "bold red",
}


class PlainConsole(Console):
    """A console that does not change the text that it prints, also not in a notebook."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            markup=False, highlight=False, emoji=False, force_jupyter=False, **settings
        )


class _PipeConsole(PlainConsole):
    """A console that raises an error if the reader of its pipe has exited, e.g. `| head -1`.

    Rich itself would end the program with exit code 1 and without a message.
    """

    def on_broken_pipe(self) -> None:
        """Raise an error. For this error, `mnist_exp.cli.main` exits with `READER_HAS_EXITED`."""
        raise BrokenPipeError(errno.EPIPE, "the reader of the output has exited")


@dataclass(frozen=True)
class Consoles:
    """The console for results, and the console for progress."""

    results: Console
    progress: Console


def standard_consoles() -> Consoles:
    """Return consoles that write results to standard output, and progress to standard error."""
    return Consoles(_PipeConsole(), _PipeConsole(stderr=True))


def silent_consoles() -> Consoles:
    """Return consoles that print nothing."""
    silent = PlainConsole(file=StringIO(), quiet=True)
    return Consoles(silent, silent)


def print_line(console: Console, text: str | Text, style: str = "") -> None:
    """Print text as one line. Do not interpret markup, and do not wrap the line."""
    line = text if isinstance(text, Text) else Text(text, style)
    console.print(line, soft_wrap=True)


def styled_status(status: str) -> Text:
    """Return the name of a status in its colour."""
    return Text(status, _STATUS_STYLES.get(status, "dim"))


def new_table() -> Table:
    """Return an empty table.

    The table has no side borders, so that eight columns fit in 80 characters.
    """
    return Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        header_style="bold",
    )


class ParameterColumns:
    """One column per parameter, or one column for all parameters if the columns are too wide.

    Args:
        rows: The parameters of each row.
        width: Maximum number of characters of all columns together.
        one_line: Whether a cell that is too long is truncated. If False, such a cell is wrapped.
    """

    def __init__(
        self, rows: Sequence[Mapping[str, Any]], width: int, *, one_line: bool = False
    ) -> None:
        self._width = max(width - 2, 1)
        self._one_line = one_line
        self._names = list(dict.fromkeys(name for row in rows for name in row))
        values = {name: _widest(name, rows) for name in self._names}
        # Try the parameter names on one line first, then with a line break after each underscore.
        layouts = [
            {name: Text(plain(name)) for name in self._names},
            {name: folded(name, values[name]) for name in self._names},
        ]
        self._headings = next(
            (headings for headings in layouts if _needed(headings, values) <= width), None
        )

    @property
    def are_joined(self) -> bool:
        """Whether all parameters are in one column."""
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
        """Return `name=value`; start a new line before the value if the pair is too long."""
        pair = f"{plain(name)}={number(value)}"
        return pair if len(pair) <= self._width else f"{plain(name)}\n={number(value)}"


def folded(name: str, width: int) -> Text:
    """Return a name. If the name is longer than `width`, put each of its words on a new line."""
    text = plain(name)
    return Text(text if len(text) <= width else text.replace("_", "_\n"))


def _widest(name: str, rows: Sequence[Mapping[str, Any]]) -> int:
    return max(len(number(row[name])) for row in rows if name in row)


def _needed(headings: Mapping[str, Text], values: Mapping[str, int]) -> int:
    """Return the width of all columns in characters, including the blanks between columns."""
    return sum(
        max(values[name], *map(len, heading.plain.split("\n"))) + 2
        for name, heading in headings.items()
    )
