"""The output of a notebook cell, which is updated in place.

All calls in a cell share one output. A notebook file keeps only the last state of the output.
"""

import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from mnist_exp.report.html import exported, recording_console
from mnist_exp.report.terminal_view import TerminalView
from mnist_exp.report.view import ViewSettings

#: Minimum seconds between two updates of the progress.
_EVERY_S = 0.5


class CellOutput:
    """The output of a cell: printed lines, and below these lines the progress of a job.

    Args:
        publish: Function that shows a bundle of MIME type -> content in place of the last bundle.
        clock: Function that returns the time in seconds.
    """

    def __init__(
        self,
        publish: Callable[[dict[str, str]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        #: The console of the printed lines.
        self.console = recording_console()
        self._publish = publish
        self._clock = clock
        self._progress: RenderableType | None = None
        self._next_update = -float("inf")

    def show_progress(self, progress: RenderableType) -> None:
        """Show the progress of a job. The output is updated at most every `_EVERY_S` seconds."""
        self._progress = progress
        if self._clock() >= self._next_update:
            self.update()

    def end_progress(self) -> None:
        """Delete the progress. The next update shows only the printed lines."""
        self._progress = None

    def update(self) -> None:
        """Show the present state."""
        self._next_update = self._clock() + _EVERY_S
        html, text = exported(self.console), self.console.export_text(clear=False)
        if self._progress is not None:
            progress = recording_console()
            progress.print(self._progress)
            html, text = html + exported(progress), text + progress.export_text()
        self._publish({"text/html": html, "text/plain": text.strip("\n")})


class NotebookView(TerminalView):
    """A view that shows the same bar or table as a terminal, without a spinner."""

    def __init__(self, settings: ViewSettings, cell: CellOutput) -> None:
        super().__init__(settings, _CellDrawing(cell, self._render))
        self._spinner = Text()
        self._cell = cell

    def message(self, text: str) -> None:
        """Print a message, unless it contains a reason that has already been printed."""
        super().message(text)
        self._cell.update()


class _CellDrawing:
    """The drawing of a view in the output of a cell."""

    def __init__(self, cell: CellOutput, render: Callable[[], RenderableType]) -> None:
        self._cell = cell
        self._render = render

    def start(self) -> None:
        """Draw the present state of the job."""
        self._cell.show_progress(self._render())

    def stop(self) -> None:
        """Delete the drawing."""
        self._cell.end_progress()


def current_cell() -> CellOutput | None:
    """Return the output of the notebook cell that runs now; None outside a notebook.

    A later call in the same cell returns the same output.
    """
    shell = _shell()
    if shell is None:
        return None
    cell = (shell, shell.execution_count)
    if _cells != [cell]:
        _cells[:] = [cell]
        _outputs[:] = [CellOutput(_Publisher())]
    return _outputs[0]


#: The current cell and its output. The lists are empty before the first call in a notebook.
_cells: list[tuple[Any, int]] = []
_outputs: list[CellOutput] = []


class _Publisher:
    """Function that shows a bundle: the first call creates the output, later calls update it."""

    def __init__(self) -> None:
        self._display = sys.modules["IPython.display"].display
        self._handle: Any = None
        # Libraries import tqdm, which would warn in the cell if ipywidgets is missing.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import_module("tqdm.auto")

    def __call__(self, bundle: dict[str, str]) -> None:
        if self._handle is None:
            self._handle = self._display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def _shell() -> Any:
    """Return the shell of the notebook's kernel, or None. A terminal's IPython has no kernel."""
    # In a kernel, IPython has been imported.
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return shell if getattr(shell, "kernel", None) is not None else None
