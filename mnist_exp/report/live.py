"""The display of a running job: a live picture on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console

from mnist_exp.report.plain_view import PlainView
from mnist_exp.report.terminal_view import TerminalView
from mnist_exp.report.view import ViewSettings
from mnist_exp.results import JobResult


class LiveObserver:
    """An `Observer` that shows a job's progress; use it as a context manager.

    On a terminal it shows a progress bar, or for a sweep a table of trials, and prints messages
    above. This picture disappears when the job has ended, since the summary follows. The picture
    stays after an error. On any other output it prints a plain line for each important change.

    Args:
        console: The console to print on.
        primary_metric: The metric whose log events count as progress; may be empty.
        total: Log events of a job, or of each trial of a sweep, that completes; None if unknown.
        trials: Maximum number of trials of a sweep; None if unknown.
        clock: Returns the time in seconds; tests replace it.
    """

    def __init__(
        self,
        console: Console,
        primary_metric: str = "",
        total: int | None = None,
        trials: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        settings = ViewSettings(console, primary_metric, total, trials, clock)
        self._view: TerminalView | PlainView = (
            TerminalView(settings) if console.is_interactive else PlainView(settings)
        )

    def __enter__(self) -> Self:
        self._view.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._view.stop(failed=kind is not None)

    def job_changed(self, job: JobResult) -> None:
        """Show the job's current state."""
        self._view.job_changed(job)

    def message(self, text: str) -> None:
        """Print a message, unless its text has been printed."""
        self._view.message(text)

    def idle(self) -> None:
        """Do nothing: only the state of a job is shown."""
