"""What is seen while a job runs: a picture on a terminal, plain lines in a pipe or log."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console

from mnist_exp.report.plain_view import PlainView
from mnist_exp.report.terminal_view import TerminalView
from mnist_exp.results import JobResult


class LiveObserver:
    """An `Observer` that shows a job's progress while it is entered.

    On a terminal: a bar of epochs, or for a sweep a table of trials, with messages above; it
    disappears when the job is done, since the summary follows, and stays when an error ends it.
    Elsewhere: one plain line for each change worth one.

    Args:
        console: Where to show it.
        primary_metric: The metric whose log events count as progress; may be empty.
        total: Log events of a job, or of each trial of a sweep, that runs to its end.
        trials: How many trials a sweep may have.
        clock: Seconds; for tests.
    """

    def __init__(
        self,
        console: Console,
        primary_metric: str = "",
        total: int | None = None,
        trials: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._view: TerminalView | PlainView = (
            TerminalView(console, primary_metric, total, trials, clock)
            if console.is_interactive
            else PlainView(console, primary_metric, total, clock)
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
        """Show the job, or one of a sweep's trials, as it is now."""
        self._view.job_changed(job)

    def message(self, text: str) -> None:
        """Show something worth a line, once."""
        self._view.message(text)

    def idle(self) -> None:
        """Nothing is shown of it."""
