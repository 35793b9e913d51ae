"""The view that shows progress on a terminal, and redraws the same lines."""

from dataclasses import replace
from typing import Protocol

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from mnist_exp.report.epochs import epochs_done
from mnist_exp.report.format import (
    duration,
    number,
    pairs,
    progress,
    trial_label,
)
from mnist_exp.report.layout import styled_status
from mnist_exp.report.trial_tables import live_table
from mnist_exp.report.view import ReasonPrinter, ViewSettings
from mnist_exp.results import JobResult
from mnist_exp.status import JobStatus

#: Number of terminal lines that the rows of the table must not use. These lines are for the
#: messages, the line above the table, the table's header and its caption.
_SPARE_LINES = 9


class Drawing(Protocol):
    """The methods of `Live` that a view needs."""

    def start(self) -> None:
        """Start drawing, or draw the present state."""

    def stop(self) -> None:
        """Stop drawing, and erase the drawing."""


class TerminalView:
    """A view that shows a progress bar or a table of trials below the messages.

    `Live` draws in its own thread, which reads attributes of the view. The view therefore assigns a
    new object to such an attribute, and never changes the old object.

    Args:
        settings: The settings.
        drawing: The object that draws in place of `Live`, e.g. in a notebook.
    """

    def __init__(self, settings: ViewSettings, drawing: Drawing | None = None) -> None:
        self._console = settings.console
        self._metric = settings.primary_metric
        self._total = settings.total
        self._trials = settings.trials
        self._noun = settings.noun
        self._clock = settings.clock
        self._reasons = ReasonPrinter(settings.console)
        self._job: JobResult | None = None
        self._trials_began: dict[str, float] = {}
        self._began = 0.0
        self._spinner: Spinner | Text = Spinner("dots")
        self._live: Drawing | Live = drawing or Live(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=8,
            transient=True,
        )

    def start(self) -> None:
        """Start the clock. Draw nothing yet, because a download may show its own bar first."""
        self._began = self._clock()

    def stop(self, *, failed: bool) -> None:
        """Stop drawing, and erase the last drawing, which would look like a running job."""
        self._live.stop()

    def message(self, text: str) -> None:
        """Print a message, unless it contains a reason that has already been printed."""
        self._reasons.print_message(text)

    def job_changed(self, job: JobResult) -> None:
        """Draw the job's new state. For each trial that has just ended, print why it ended.

        If a message contains the reason, the reason is not printed again.
        """
        now = self._clock()
        began = {trial.name: now - trial.duration_s for trial in job.trials}
        self._trials_began = began | self._trials_began
        self._job = job
        self._live.start()
        self._reasons.print_reasons(job)

    def _render(self) -> RenderableType:
        job = self._job
        if job is None:
            return Text()
        if job.trials:
            height = self._console.height - _SPARE_LINES
            table = live_table(
                self._as_of_now(job), self._console.width, height, self._total, self._noun
            )
            return Group(self._sweep_line(job), table)
        return Group(self._bar(job), Text(pairs(job.last_metrics, "  "), "dim", no_wrap=True))

    def _as_of_now(self, job: JobResult) -> JobResult:
        """Return the job with the current durations of its running trials."""
        now = self._clock()
        trials = [
            one
            if one.status.is_finished
            else replace(one, duration_s=now - self._trials_began[one.name])
            for one in job.trials
        ]
        return replace(job, trials=trials)

    def _bar(self, job: JobResult) -> Table:
        events = epochs_done(job.metrics.get(self._metric, ()), self._total)
        line = Table.grid(padding=(0, 1))
        line.add_row(
            self._spinner,
            styled_status(job.status.value),
            ProgressBar(total=self._total, completed=events, width=30, pulse=self._total is None),
            self._progress(job, events),
            duration(self._clock() - self._began),
        )
        return line

    def _progress(self, job: JobResult, events: int) -> str:
        """Return the number of epochs or intervals, or what the job does before the first."""
        if self._metric and not job.metrics and job.status is JobStatus.RUNNING:
            return f"starting {job.library or 'the script'}"
        return f"{progress(events, self._total)} {'epochs' if self._total else 'intervals'}"

    def _sweep_line(self, job: JobResult) -> Table:
        ended = sum(trial.status.is_finished for trial in job.trials)
        most = f"at most {self._trials}" if self._trials else str(len(job.trials))
        words = f"{ended} of {most} {self._noun}s have ended"
        if best := job.best_trial:
            words += f", best: trial {trial_label(best.name, job.name)} ({number(best.best)})"
        elif job.status is JobStatus.RUNNING and not any(trial.events for trial in job.trials):
            words += f", starting {job.library or 'the script'}"
        line = Table.grid(padding=(0, 1))
        line.add_row(
            self._spinner,
            styled_status(job.status.value),
            Text(words, no_wrap=True, overflow="ellipsis"),
            duration(self._clock() - self._began),
        )
        return line
