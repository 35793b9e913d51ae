"""The output of the Python API: as on the command line, one output per notebook cell, or none."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Literal

from mnist_exp.cli.arguments import override_key
from mnist_exp.cli.display import RichDisplay
from mnist_exp.errors import ConfigError
from mnist_exp.records import Record
from mnist_exp.report.layout import Consoles, silent_consoles
from mnist_exp.report.notebook import CellOutput, NotebookView, current_cell
from mnist_exp.report.summary import print_summary

#: Where a call prints. `auto` means `notebook` in a notebook, and otherwise `text`.
DisplayMode = Literal["auto", "notebook", "text", "none"]


class ApiDisplay(RichDisplay):
    """A display that proposes calls in Python instead of commands."""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the output of a `with` block, at the latest at the end of the block."""
        yield

    def summary(self, record: Record) -> None:
        """Print the summary of a stage."""
        print_summary(record, self._results)

    def resume_hint(self, record: Record) -> None:
        """Print the call that resumes an unfinished job."""
        # The other arguments of the call are in the config of the job.
        given = [text for text in self._overrides if override_key(text) == "outputs_dir"]
        arguments = ", ".join([*map(repr, given), f"run={record.name!r}"])
        self.message(f"resume the job with: mnist_exp.{record.stage.value}({arguments})")


class CellDisplay(ApiDisplay):
    """A display that prints in the output of a notebook cell."""

    def __init__(self, cell: CellOutput, overrides: Sequence[str] = ()) -> None:
        consoles = Consoles(cell.console, cell.console)
        view = partial(NotebookView, cell=cell)
        super().__init__(overrides, consoles=consoles, new_view=view)
        self._cell = cell

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the output of a `with` block, at the latest at the end of the block."""
        try:
            yield
        finally:
            self._cell.update()

    def stage_started(self, record: Record) -> None:
        """Print the stage and its name."""
        super().stage_started(record)
        self._cell.update()

    def message(self, text: str) -> None:
        """Print a line of progress."""
        super().message(text)
        self._cell.update()


def new_display(mode: DisplayMode, overrides: Sequence[str] = ()) -> ApiDisplay:
    """Return the display of a call with these overrides.

    Raises:
        ConfigError: The mode does not exist, or the call is not in a notebook.
    """
    if mode not in ("auto", "notebook", "text", "none"):
        raise ConfigError([f"display: must be one of auto, notebook, text, none, got {mode!r}"])
    if mode == "none":
        return ApiDisplay(overrides, consoles=silent_consoles())
    cell = None if mode == "text" else current_cell()
    if cell is not None:
        return CellDisplay(cell, overrides)
    if mode == "notebook":
        raise ConfigError(
            ["display: must be auto, text or none outside a notebook, got 'notebook'"]
        )
    return ApiDisplay(overrides)
