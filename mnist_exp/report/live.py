"""The display of a running job: a bar or table on a terminal, otherwise plain lines."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console

from mnist_exp.report.plain_view import PlainView
from mnist_exp.report.terminal_view import TerminalView
from mnist_exp.report.view import ViewSettings
from mnist_exp.results import JobResult
from mnist_exp.status import JobStatus

#: Function that returns a view for its settings.
NewView = Callable[[ViewSettings], TerminalView | PlainView]


def _usual_view(settings: ViewSettings) -> TerminalView | PlainView:
    return TerminalView(settings) if settings.console.is_interactive else PlainView(settings)


class LiveObserver:
    """An `Observer` and context manager that shows a job's progress.

    On a terminal, the observer shows a progress bar for a job, or a table of trials for a sweep.
    Messages are printed above the bar or the table. At the end, also after an error, the bar or the
    table disappears, because the stage then prints a summary. If the output is not a terminal, the
    observer prints a plain line for each important change.

    Args:
        console: The console to print on.
        primary_metric: The metric whose intervals count as progress; may be empty.
        total: Expected number of intervals in a complete job, or in a complete trial of a sweep;
            None if unknown.
        trials: Maximum number of trials of a sweep; None if unknown.
        noun: The word for a trial: `trial`, or `variant` for the variants of a multirun.
        clock: Function that returns the time in seconds. Tests replace this function.
        new_view: Function that returns the view; None means a view that fits the console.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the settings of a view, and the view
        self,
        console: Console,
        primary_metric: str = "",
        total: int | None = None,
        trials: int | None = None,
        noun: str = "trial",
        clock: Callable[[], float] = time.monotonic,
        new_view: NewView | None = None,
    ) -> None:
        settings = ViewSettings(console, primary_metric, total, trials, noun, clock)
        self._view = (new_view or _usual_view)(settings)
        #: Why trials failed. The observer has printed each of these reasons.
        self.failures: set[str] = set()

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
        self.failures |= {one.why for one in job.trials if one.status is JobStatus.FAILED}

    def message(self, text: str) -> None:
        """Print a message, unless it repeats the printed reason of a failure."""
        self._view.message(text)

    def idle(self) -> None:
        """Do nothing. An idle job has no new state to show."""
