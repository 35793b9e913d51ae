"""Consoles, lines, statuses, tables and parameter columns, for all modules of `report`."""

import errno
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, Literal, NamedTuple

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from mnist_exp.report.format import number, plain, shortened

#: Azure ML's name of a status -> style for rich.
_STATUS_STYLES = {
    "Completed": "green",
    "Running": "cyan",
    "Canceled": "yellow",
    "CancelRequested": "yellow",
    "Failed": "bold red",
}

#: Maximum number of characters of a table's line in a pipe or a file.
_PIPE_WIDTH = 1000
#: Number of blanks between two columns of a table.
_GAP = 2
#: Maximum number of characters of a value and of a heading's word, if the columns do not fit.
_SHORT, _SHORT_WORD = 12, 6


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


def wrapped(text: str, console: Console, indent: int) -> str:
    """Return text that a terminal does not break inside a word.

    Args:
        text: The text. A word that is longer than a line is not broken.
        console: The console. Only a terminal has a line length.
        indent: Number of blanks before the second line and before each further line.
    """
    if not console.is_terminal:
        return text
    width = max(console.width - indent, 1)
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return f"\n{' ' * indent}".join(lines)


def table_width(console: Console) -> int:
    """Return the width that a table may have. A pipe has no line length."""
    return console.width if console.is_terminal else max(console.width, _PIPE_WIDTH)


def print_table(console: Console, table: Table) -> None:
    """Print a table."""
    console.print(_Wide(table, table_width(console)), crop=False)


class _Wide(NamedTuple):
    """A table that may be wider than the console, in a pipe or a file."""

    table: Table
    width: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self.table, options.update(width=self.width))


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
        caption_justify="left",
    )


class Column(NamedTuple):
    """A column of a table, whose cells are never wrapped.

    Attributes:
        heading: The heading, which may have several lines.
        cells: The cells, one for each row.
        justify: Where the text is in the column.
        is_optional: Whether the table may omit the column, so that all parameters fit.
    """

    heading: str
    cells: Sequence[str | Text]
    justify: Literal["left", "right"] = "right"
    is_optional: bool = False

    @property
    def width(self) -> int:
        """The number of characters, including the blanks before the next column."""
        texts = [*self.heading.split("\n"), *map(str, self.cells)]
        return max(map(cell_len, texts)) + _GAP


def parameter_table(
    width: int,
    left: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    right: Sequence[Column],
) -> Table:
    """Return a table with a column for each parameter, and with one line for each row.

    If the columns are too wide, the table omits optional columns, the rightmost first. If the
    parameters still do not fit, the table shortens or omits parameters, and its caption names the
    omitted parameters.

    Args:
        width: Number of characters in a line.
        left: The columns to the left of the parameters.
        rows: The parameters of each row.
        right: The columns to the right of the parameters.
    """
    optional = [column for column in right if column.is_optional]
    for count in range(len(optional), -1, -1):
        shown = [column for column in right if column not in optional[count:]]
        room = width - sum(column.width for column in (*left, *shown))
        parameters = ParameterColumns(rows, room)
        if parameters.are_complete:
            break
    table = new_table()
    cells = list(map(parameters.cells, rows))
    add_columns(table, left)
    parameters.add_to(table)
    add_columns(table, shown)
    for index, middle in enumerate(cells):
        own = [[column.cells[index] for column in side] for side in (left, shown)]
        table.add_row(*own[0], *middle, *own[1])
    if parameters.omitted:
        table.caption = omitted_text(parameters.omitted)
    return table


def omitted_text(parameters: Iterable[str]) -> Text:
    """Return the caption of a table that omits parameters."""
    return Text(f"not shown: {', '.join(map(plain, parameters))}")


def add_columns(table: Table, columns: Sequence[Column]) -> None:
    """Add columns to a table. The caller adds the cells."""
    for column in columns:
        heading = Text(column.heading)
        table.add_column(heading, justify=column.justify, no_wrap=True, overflow="ellipsis")


class ParameterColumns:
    """One column for each parameter.

    A heading that is too long is broken after underscores. If the columns still do not fit, long
    words are shortened. Then columns are omitted, first the columns whose values are all equal.

    Args:
        rows: The parameters of each row.
        width: Maximum number of characters of all columns together.

    Attributes:
        omitted: The parameters without a column.
        are_complete: Whether no word is shortened and no column is omitted.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], width: int) -> None:
        names = list(dict.fromkeys(name for row in rows for name in row))
        values = {name: _widest(name, rows) for name in names}
        self._headings = {name: plain(name) for name in names}
        if _needed(self._headings, values) > width:
            self._headings = {name: str(folded(name, values[name])) for name in names}
        self.omitted: list[str] = []
        self.are_complete = _needed(self._headings, values) <= width
        self._most: int | None = None
        if not self.are_complete:
            self._shorten(rows, values, width)

    def add_to(self, table: Table) -> None:
        """Add the columns to a table."""
        for heading in self._headings.values():
            table.add_column(Text(heading), justify="right", no_wrap=True, overflow="ellipsis")

    def cells(self, parameters: Mapping[str, Any]) -> Iterable[Text]:
        """Return the cells of one row."""
        cells = [number(parameters[name]) if name in parameters else "" for name in self._headings]
        return [Text(shortened(cell, self._most) if self._most else cell) for cell in cells]

    def _shorten(
        self, rows: Sequence[Mapping[str, Any]], values: Mapping[str, int], width: int
    ) -> None:
        """Shorten long words, and omit the columns that still do not fit."""
        self._most = _SHORT
        widths = {name: min(most, _SHORT) for name, most in values.items()}
        for name, heading in self._headings.items():
            most = max(widths[name], _SHORT_WORD)
            words = (shortened(word, most) for word in heading.split("\n"))
            self._headings[name] = "\n".join(words)
        order = sorted(self._headings, key=lambda name: _is_constant(name, rows))
        kept: dict[str, str] = {}
        for name in order:
            wanted = {**kept, name: self._headings[name]}
            if _needed(wanted, widths) <= width:
                kept = wanted
        self.omitted = [name for name in self._headings if name not in kept]
        self._headings = {name: text for name, text in self._headings.items() if name in kept}


def folded(name: str, width: int) -> Text:
    """Return a name. If the name is longer than `width`, put each of its words on a new line."""
    text = plain(name)
    return Text(text if cell_len(text) <= width else text.replace("_", "_\n").replace(".", ".\n"))


def _widest(name: str, rows: Sequence[Mapping[str, Any]]) -> int:
    return max(cell_len(number(row[name])) for row in rows if name in row)


def _is_constant(name: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a parameter has the same value in all rows."""
    return len({number(row.get(name)) for row in rows}) == 1


def _needed(headings: Mapping[str, str], values: Mapping[str, int]) -> int:
    """Return the width of all columns in characters, including the blanks between columns."""
    return sum(
        max(values[name], *map(cell_len, heading.split("\n"))) + _GAP
        for name, heading in headings.items()
    )
