"""Progress as a picture that changes, for terminals."""

from collections.abc import Callable
from dataclasses import replace

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from mnist_exp.report.consoles import print_line, styled_status
from mnist_exp.report.decisions import Decisions
from mnist_exp.report.format import (
    duration,
    epochs_done,
    number,
    pairs,
    plain,
    progress,
    trial_label,
)
from mnist_exp.report.trial_table import trial_table
from mnist_exp.results import JobResult

#: Lines that the live table leaves free: its header, its caption, the line above it, messages.
_SPARE_LINES = 9


class TerminalView:
    """A bar of epochs, or a table of trials, below the messages.

    `Live` draws it from a thread of its own: what that reads is replaced, never changed.
    """

    def __init__(
        self,
        console: Console,
        primary_metric: str,
        total: int | None,
        trials: int | None,
        clock: Callable[[], float],
    ) -> None:
        self._console = console
        self._metric = primary_metric
        self._total = total
        self._trials = trials
        self._clock = clock
        self._decisions = Decisions()
        self._job: JobResult | None = None
        self._trials_began: dict[str, float] = {}
        self._began = 0.0
        self._spinner = Spinner("dots")
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=8, transient=True
        )

    def start(self) -> None:
        """Wait for a job; until then the terminal is left to downloads and their bars."""
        self._began = self._clock()

    def stop(self, *, failed: bool) -> None:
        """Stop drawing; the last picture stays only where it helps to see what went wrong."""
        self._live.transient = not failed
        self._live.stop()

    def message(self, text: str) -> None:
        """Print the message above the picture unless it has been told."""
        if self._decisions.is_news(text):
            print_line(self._console, plain(text))

    def job_changed(self, job: JobResult) -> None:
        """Draw the job as it is from now on, and print why trials ended."""
        now = self._clock()
        began = {trial.name: now - trial.duration_s for trial in job.trials}
        self._trials_began = began | self._trials_began
        self._job = job
        self._live.start()
        for line in self._decisions.ended(job):
            print_line(self._console, line)

    def _render(self) -> RenderableType:
        job = self._job
        if job is None:
            return Text()
        if job.trials:
            height = self._console.height - _SPARE_LINES
            table = trial_table(self._as_of_now(job), self._console.width, height, self._total)
            return Group(self._sweep_line(job), table)
        return Group(self._bar(job), Text(pairs(job.last_metrics, "  "), "dim", no_wrap=True))

    def _as_of_now(self, job: JobResult) -> JobResult:
        """Return the job with the time that its running trials have taken since they were seen."""
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
            f"{progress(events, self._total)} {'epochs' if self._total else 'log events'}",
            duration(self._clock() - self._began),
        )
        return line

    def _sweep_line(self, job: JobResult) -> Table:
        ended = sum(trial.status.is_finished for trial in job.trials)
        most = f", {self._trials} at most" if self._trials else ""
        words = f"{ended} of {len(job.trials)} started trials have ended{most}"
        if best := job.best_trial:
            words += f", best: trial {trial_label(best.name, job.name)} ({number(best.best)})"
        line = Table.grid(padding=(0, 1))
        line.add_row(
            self._spinner,
            styled_status(job.status.value),
            Text(words),
            duration(self._clock() - self._began),
        )
        return line
