"""Output of the command line as HTML or as text, for the Python API."""

from collections.abc import Callable
from io import StringIO

from rich.console import Console

from mnist_exp.report.layout import PlainConsole

__all__ = ["Console", "exported", "html_of", "recording_console", "text_of"]

#: Number of characters in a line. A cell of a notebook is about this wide.
WIDTH = 100
_PRE = '<pre style="white-space:pre;line-height:1.25;overflow-x:auto">{code}</pre>'


def recording_console() -> Console:
    """Return a console that keeps its output, and prints nothing."""
    return PlainConsole(file=StringIO(), record=True, width=WIDTH)


def html_of(print_on: Callable[[Console], None]) -> str:
    """Return the output of a function that prints on a console, as HTML."""
    console = recording_console()
    print_on(console)
    return exported(console)


def text_of(print_on: Callable[[Console], None]) -> str:
    """Return the output of a function that prints on a console, as plain text."""
    console = recording_console()
    print_on(console)
    return console.export_text().strip("\n")


def exported(console: Console) -> str:
    """Return the output of a recording console as HTML. The console keeps its output."""
    return console.export_html(inline_styles=True, code_format=_PRE, clear=False)
