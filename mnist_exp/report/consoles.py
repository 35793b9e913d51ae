"""The two consoles that everything is printed on, and how a line gets there."""

from rich.console import Console
from rich.text import Text

#: Azure ML's status words -> rich styles.
STATUS_STYLES = {
    "Completed": "green",
    "Running": "cyan",
    "Canceled": "yellow",
    "CancelRequested": "yellow",
    "Failed": "bold red",
}


def results_console() -> Console:
    """Return the console for what a user keeps: standard output."""
    return Console(markup=False, highlight=False, emoji=False)


def progress_console() -> Console:
    """Return the console for what only concerns the moment: standard error."""
    return Console(stderr=True, markup=False, highlight=False, emoji=False)


def print_line(console: Console, text: str | Text, style: str = "") -> None:
    """Print one line as it is: no markup is read from it and no width breaks it."""
    line = text if isinstance(text, Text) else Text(text, style)
    console.print(line, soft_wrap=True)


def styled_status(status: str) -> Text:
    """Return a status word in its colour."""
    return Text(status, STATUS_STYLES.get(status, "dim"))
