"""The output of the Python API: as on the command line, one output per notebook cell, or none."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from mnist_exp.cli.display import RichDisplay
from mnist_exp.errors import ConfigError
from mnist_exp.records import Record
from mnist_exp.report.layout import silent_consoles
from mnist_exp.report.summary import print_summary

#: Where a call prints. `auto` means `notebook` in a notebook, and otherwise `text`.
DisplayMode = Literal["auto", "notebook", "text", "none"]


class ApiDisplay(RichDisplay):
    """A display that proposes calls in Python instead of commands."""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show all output at the end of the `with` block."""
        yield

    def summary(self, record: Record) -> None:
        """Print the summary of a stage."""
        print_summary(record, self._results)

    def resume_hint(self, record: Record) -> None:
        """Print the call that resumes an unfinished job."""
        self.message(f"resume the job with: mnist_exp.{record.stage.value}(run={record.name!r})")


def new_display(mode: DisplayMode) -> ApiDisplay:
    """Return the display of a call.

    Raises:
        ConfigError: The mode does not exist.
    """
    match mode:
        case "none":
            return ApiDisplay(consoles=silent_consoles())
        case "auto" | "text":
            return ApiDisplay()
    raise ConfigError([f"display: must be one of auto, notebook, text, none, got {mode!r}"])
